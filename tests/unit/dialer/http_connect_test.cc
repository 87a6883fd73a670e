// An upstream proxy's answers, well and badly meant.
#include "dialer/http_connect.h"

#include <optional>

#include "rig.h"

namespace anchorhold::dialer {
namespace {

using namespace std::chrono_literals;

TEST(ConnectAnswerTest, whole_head_has_its_status_and_size) {
    const std::string head = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
    const auto answer = parse_connect_answer(head + "SSH-2.0-x").value();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->size, head.size());
    EXPECT_EQ(parse_connect_answer("HTTP/1.0 407\r\n\r\n").value()->status, 407);
}

TEST(ConnectAnswerTest, beginning_of_a_head_waits_for_the_rest) {
    const std::string head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for (size_t size = 0; size < head.size(); ++size) {
        const auto answer = parse_connect_answer(head.substr(0, size));
        ASSERT_TRUE(answer) << size;
        EXPECT_FALSE(*answer) << size;
    }
}

TEST(ConnectAnswerTest, anything_else_is_an_error) {
    for (const char* bytes :
         {"SSH-2.0-x\r\n", "HTTP/2.0 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
          "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 600 X\r\n\r\n",
          "HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1  200\r\n\r\n", "HTTP/1.12 200\r\n\r\n",
          "HTTP/1.1 2x0 OK\r\n\r\n", "\r\n\r\n"}) {
        EXPECT_FALSE(parse_connect_answer(bytes)) << bytes;
    }
    EXPECT_FALSE(parse_connect_answer("HTTP/1.1 200 " + std::string(kMaxConnectAnswer, 'a')));
}

TEST(ConnectRequestTest, authorization_is_sent_where_there_is_one) {
    EXPECT_EQ(connect_request("a.example:443", ""),
              "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    EXPECT_NE(connect_request("a.example:443", "Basic eA==")
                  .find("\r\nProxy-Authorization: Basic eA==\r\n"),
              std::string::npos);
}

class HttpConnectTest : public testing::Test {
  protected:
    void SetUp() override { begin(10s); }
    void begin(Duration deadline) {
        auto pair = sys::socket_pair(SOCK_STREAM).value();
        ASSERT_TRUE(sys::set_nonblocking(pair.first.get()));
        proxy = std::move(pair.second);
        attempt = std::make_unique<HttpConnect>(*loop, std::move(pair.first),
                                                "CONNECT a:1 HTTP/1.1\r\n\r\n", deadline,
                                                [this](Result<OwnFd> result) {
                                                    ended = std::move(result);
                                                    attempt.reset();
                                                });
    }
    void say(std::string_view text) { ASSERT_TRUE(sys::write_all(proxy.get(), text)); }
    bool run() {
        return run_until(*loop, [&] { return ended.has_value(); });
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    OwnFd proxy;
    std::unique_ptr<HttpConnect> attempt;
    std::optional<Result<OwnFd>> ended;
};

TEST_F(HttpConnectTest, bytes_behind_the_answer_stay_in_the_tunnel) {
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    say("HTTP/1.1 200 OK\r\n\r\nfirst words");
    ASSERT_TRUE(run() && *ended);
    char buffer[64];
    const ssize_t got = ::recv((*ended)->get(), buffer, sizeof buffer, 0);
    EXPECT_EQ(std::string(buffer, static_cast<size_t>(got)), "first words");
}

TEST_F(HttpConnectTest, answer_in_pieces_after_an_interim_one_is_understood) {
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    for (const char* piece : {"HTTP/1.1 100 Continue\r\n", "\r\nHTT", "P/1.1 200", " OK\r\n"}) {
        say(piece);
        ASSERT_TRUE(loop->run_once(Duration::zero()));
        EXPECT_FALSE(ended);
    }
    say("\r\n");
    ASSERT_TRUE(run());
    EXPECT_TRUE(*ended);
}

TEST_F(HttpConnectTest, refusal_is_told_apart_from_failure) {
    say("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    ASSERT_TRUE(run() && !*ended);
    EXPECT_EQ(ended->error().code, EACCES);
}

TEST_F(HttpConnectTest, answer_that_never_comes_whole_is_an_error_in_time) {
    begin(50ms);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    say("HTTP/1.1 200 OK\r\n");
    ASSERT_TRUE(run() && !*ended);
    EXPECT_EQ(ended->error().code, ETIMEDOUT);
}

TEST_F(HttpConnectTest, answer_without_an_end_is_an_error) {
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    say("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100 && !ended; ++i) {
        say("X-Padding: " + std::string(500, 'x') + "\r\n");
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
    ASSERT_TRUE(ended && !*ended);
}

TEST_F(HttpConnectTest, closed_connection_is_an_error) {
    proxy.reset();
    ASSERT_TRUE(run());
    EXPECT_FALSE(*ended);
}

}  // namespace
}  // namespace anchorhold::dialer
