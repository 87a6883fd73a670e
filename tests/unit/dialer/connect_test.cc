// Connects over real sockets: who wins, and when all is lost.
#include "dialer/connect.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <optional>

#include "fakes/manual_clock.h"
#include "rig.h"

namespace anchorhold::dialer {
namespace {

using namespace std::chrono_literals;

class ConnectTest : public testing::Test {
  protected:
    void connect(std::vector<IpAddress> addresses, uint16_t port) {
        attempt = std::make_unique<Connect>(*loop, std::move(addresses), port,
                                            ConnectTimes{.stagger = 250ms, .deadline = 10s},
                                            [this](Result<Connected> result) {
                                                ended = std::move(result);
                                                attempt.reset();
                                            });
    }
    bool run() {
        return run_until(*loop, [&] { return ended.has_value(); });
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    LoopbackServer server;
    std::unique_ptr<Connect> attempt;
    std::optional<Result<Connected>> ended;
};

TEST_F(ConnectTest, listening_port_gives_a_socket_without_delay_and_blocking) {
    connect({ip("127.0.0.1")}, server.port());
    ASSERT_TRUE(run() && *ended);
    const int socket = (*ended)->socket.get();
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    ASSERT_EQ(::getsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    EXPECT_EQ(no_delay, 1);
    EXPECT_NE(::fcntl(socket, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ((*ended)->address, ip("127.0.0.1"));
}

TEST_F(ConnectTest, refused_address_gives_way_to_the_next_at_once) {
    const uint16_t port = server.port();
    connect({ip("127.0.0.2"), ip("127.0.0.1")}, port);
    ASSERT_TRUE(run() && *ended);
    EXPECT_EQ((*ended)->address, ip("127.0.0.1"));
}

TEST_F(ConnectTest, nothing_listens_anywhere_is_an_error_that_says_where) {
    server.close();
    connect({ip("127.0.0.1"), ip("127.0.0.3")}, server.port());
    ASSERT_TRUE(run());
    ASSERT_FALSE(*ended);
    EXPECT_NE(ended->error().message.find("127.0.0.3"), std::string::npos);
}

TEST_F(ConnectTest, no_address_is_an_error) {
    connect({}, 443);
    ASSERT_TRUE(run());
    EXPECT_FALSE(*ended);
}

TEST_F(ConnectTest, deadline_passes_is_an_error_before_any_attempt_starts) {
    fakes::ManualClock clock;
    auto still = EventLoop::create(clock).value();
    Connect waiting(*still, {ip("127.0.0.1")}, server.port(),
                    ConnectTimes{.stagger = 250ms, .deadline = Duration::zero()},
                    [this](Result<Connected> result) { ended = std::move(result); });
    ASSERT_TRUE(still->run_once(Duration::zero()));
    ASSERT_TRUE(ended && !*ended);
    EXPECT_EQ(ended->error().code, ETIMEDOUT);
}

TEST_F(ConnectTest, destroyed_while_under_way_calls_nobody) {
    connect({ip("127.0.0.1")}, server.port());
    attempt.reset();
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_FALSE(ended);
}

}  // namespace
}  // namespace anchorhold::dialer
