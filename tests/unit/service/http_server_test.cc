// A client's view of the socket: answers, keep-alive, bounds, leases.
#include "supervisor/service/http_server.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/stream_rights.h"
#include "base/sys.h"
#include "base/unix_socket.h"
#include "fakes/manual_clock.h"
#include "temporary_folder.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

class HttpServerTest : public testing::Test {
  protected:
    HttpServerTest() {
        server = HttpServer::create(*loop, listen_unix(path(), SOCK_STREAM).value(),
                                    [this](const HttpRequest& request, Respond respond) {
                                        handle(request, std::move(respond));
                                    })
                     .value();
    }
    [[nodiscard]] std::string path() const { return folder.path() + "/socket"; }

    void handle(const HttpRequest& request, Respond respond) {
        Reply reply;
        if (request.target == "/later") {
            later.push_back(std::move(respond));
            return;
        }
        if (request.target == "/stream") {
            reply.status = 101;
            reply.fields = "Upgrade: x\r\n";
            auto [ours, theirs] = sys::socket_pair(SOCK_STREAM).value();
            [[maybe_unused]] const Status sent = sys::write_all(ours.get(), "guest");
            reply.descriptor = std::move(theirs);
            reply.on_lease_end = [this](std::string_view word) {
                ++lease_ends;
                last_word = word;
            };
        } else {
            reply.body = request.method + request.body;
        }
        respond(std::move(reply));
    }

    OwnFd connect() {
        OwnFd client = connect_unix(path(), SOCK_STREAM).value();
        EXPECT_TRUE(sys::set_nonblocking(client.get()));
        return client;
    }
    void turn(int times = 4) {
        for (int i = 0; i < times; ++i) {
            ASSERT_TRUE(loop->run_once(Duration::zero()));
        }
    }
    // What has come; "…" at its end while the connection is open.
    std::string receive(const OwnFd& client) {
        std::string text;
        for (;;) {
            std::array<std::byte, 4096> buffer;
            auto got = receive_with_fds(client.get(), buffer);
            if (!got || (*got && (*got)->count == 0)) {
                return text;
            }
            if (!*got) {
                return text + "…";
            }
            text.append(reinterpret_cast<const char*>(buffer.data()), (*got)->count);
            for (OwnFd& fd : (*got)->fds) {
                received.push_back(std::move(fd));
            }
        }
    }
    std::string ask(const OwnFd& client, std::string_view request) {
        EXPECT_TRUE(sys::write_all(client.get(), request));
        turn();
        return receive(client);
    }
    static std::string body_of(const std::string& answer) {
        return answer.substr(answer.find("\r\n\r\n") + 4);
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    supervisor::TemporaryFolder folder;
    std::vector<Respond> later;
    std::vector<OwnFd> received;
    int lease_ends = 0;
    std::string last_word;
    std::unique_ptr<HttpServer> server;
};

TEST_F(HttpServerTest, connection_stays_for_further_requests) {
    const OwnFd client = connect();
    EXPECT_EQ(body_of(ask(client, "GET /a HTTP/1.1\r\n\r\n")), "GET…");
    EXPECT_EQ(body_of(ask(client, "POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nx")), "POSTx…");
    EXPECT_EQ(body_of(ask(client, "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")), "GET");
    turn();
    EXPECT_EQ(server->connections(), 0U);
}

TEST_F(HttpServerTest, requests_sent_together_are_answered_in_order) {
    const OwnFd client = connect();
    ASSERT_TRUE(sys::write_all(
        client.get(), "GET /later HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n"));
    turn();
    EXPECT_EQ(receive(client), "…");
    later.at(0)({});
    turn();
    const std::string answers = receive(client);
    EXPECT_LT(answers.find("PUT"), answers.find("GET"));
    EXPECT_NE(answers.find("GET"), std::string::npos);
}

TEST_F(HttpServerTest, malformed_request_is_told_and_ends_the_connection) {
    const OwnFd client = connect();
    const std::string answer = ask(client, "BREW\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 "));
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos);
    const auto body = nlohmann::json::parse(body_of(answer));
    EXPECT_EQ(body.at("status"), 400);
    EXPECT_EQ(body.at("type"), "urn:anchorhold:problem:bad-request");
    turn();
    EXPECT_EQ(server->connections(), 0U);
}

TEST_F(HttpServerTest, slow_request_is_cut_off) {
    const OwnFd client = connect();
    EXPECT_EQ(ask(client, "GET /a HTT"), "…");
    clock.advance(9s);
    EXPECT_EQ(ask(client, "P"), "…") << "each byte buys no more time";
    clock.advance(2s);
    turn();
    EXPECT_TRUE(receive(client).starts_with("HTTP/1.1 408 "));
    turn();
    EXPECT_EQ(server->connections(), 0U);
}

TEST_F(HttpServerTest, unused_connection_is_closed) {
    const OwnFd client = connect();
    turn();
    clock.advance(61s);
    turn();
    EXPECT_EQ(receive(client), "");
    turn();
    EXPECT_EQ(server->connections(), 0U);
}

TEST_F(HttpServerTest, descriptor_comes_with_the_head_and_the_lease_ends_with_the_connection) {
    OwnFd client = connect();
    const std::string head = ask(client, "POST /stream HTTP/1.1\r\n\r\n");
    EXPECT_EQ(head,
              "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n…");
    ASSERT_EQ(received.size(), 1U);
    char text[8] = {};
    EXPECT_EQ(::read(received[0].get(), text, sizeof text), 5);
    clock.advance(1h);
    turn();
    EXPECT_EQ(lease_ends, 0);
    ASSERT_TRUE(sys::write_all(client.get(), "{\"status\":3}"));
    client.reset();
    turn();
    EXPECT_EQ(lease_ends, 1);
    EXPECT_EQ(last_word, "{\"status\":3}");
    turn();
    EXPECT_EQ(server->connections(), 0U);
}

TEST_F(HttpServerTest, client_that_went_before_its_stream_ends_the_lease_at_once) {
    OwnFd client = connect();
    ASSERT_TRUE(sys::write_all(client.get(), "POST /stream HTTP/1.1\r\n\r\n"));
    client.reset();
    turn();
    EXPECT_EQ(lease_ends, 1);
}

TEST_F(HttpServerTest, talkative_lease_is_ended) {
    const OwnFd client = connect();
    ASSERT_NE(ask(client, "POST /stream HTTP/1.1\r\n\r\n"), "");
    ASSERT_TRUE(sys::write_all(client.get(), std::string(kMaxLastWord + 1, 'x')));
    turn(8);
    EXPECT_EQ(lease_ends, 1);
}

TEST_F(HttpServerTest, client_that_went_does_not_hear_the_answer) {
    OwnFd client = connect();
    ASSERT_TRUE(sys::write_all(client.get(), "GET /later HTTP/1.1\r\n\r\n"));
    turn();
    client.reset();
    turn();
    later.at(0)({});
    turn();
    EXPECT_EQ(server->connections(), 0U);
}

TEST_F(HttpServerTest, answer_larger_than_the_socket_arrives_whole) {
    const OwnFd client = connect();
    ASSERT_TRUE(sys::write_all(client.get(), "GET /later HTTP/1.1\r\n\r\n"));
    turn();
    Reply reply;
    reply.body = std::string(size_t{4} << 20, 'x');
    later.at(0)(std::move(reply));
    std::string answer;
    for (int i = 0; i < 200 && answer.size() < (size_t{4} << 20); ++i) {
        std::string part = receive(client);
        answer += part.substr(0, part.size() - std::string("…").size());
        turn(1);
    }
    EXPECT_EQ(body_of(answer).size(), size_t{4} << 20);
}

TEST_F(HttpServerTest, connections_are_bounded) {
    std::vector<OwnFd> clients;
    for (size_t i = 0; i < HttpServer::kMaxConnections; ++i) {
        clients.push_back(connect());
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
    const OwnFd one_too_many = connect();
    turn();
    EXPECT_TRUE(receive(one_too_many).starts_with("HTTP/1.1 503 "));
    clients.clear();
    turn(200);
    EXPECT_EQ(server->connections(), 0U);
}

}  // namespace
}  // namespace anchorhold::service
