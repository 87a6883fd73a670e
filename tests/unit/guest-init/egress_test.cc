// What an agent's connections become, end to end but for vsock: a real kernel, routes, sk_lookup.
#include <netinet/tcp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "egress_rig.h"

namespace anchorhold::guest_init {
namespace {

// One connection of the agent and the stream it became.
struct Pair {
    OwnFd agent;
    OwnFd host;
    proto::StreamOpen open;
};

class CaptureTest : public EgressTest {
  protected:
    Pair open_pair(const std::string& address, uint16_t port) {
        Pair pair;
        pair.agent = connect_to(address, port);
        pair.host = host.accept();
        pair.open = read_message<proto::StreamOpen>(pair.host.get());
        return pair;
    }
};

int error_of_reading(int fd) {
    char byte = 0;
    const ssize_t got = ::recv(fd, &byte, 1, 0);
    return got < 0 ? errno : 0;
}

std::string raw(std::initializer_list<uint8_t> bytes) {
    return {bytes.begin(), bytes.end()};
}

TEST_F(CaptureTest, connection_by_name_tells_the_host_the_name) {
    const std::string address = resolve("API.Example.com");
    EXPECT_EQ(address.substr(0, 7), "198.18.");
    const Pair pair = open_pair(address, 443);
    EXPECT_EQ(pair.open.host(), "api.example.com");
    EXPECT_EQ(pair.open.port(), 443U);
    EXPECT_EQ(resolve("api.example.com"), address);
}

TEST_F(CaptureTest, connection_by_address_tells_the_host_the_address) {
    EXPECT_EQ(open_pair("93.184.216.34", 80).open.address(), raw({93, 184, 216, 34}));
    EXPECT_EQ(open_pair("169.254.169.254", 80).open.address(), raw({169, 254, 169, 254}));
    EXPECT_EQ(open_pair("2001:db8::5", 65535).open.address(),
              raw({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}));
    EXPECT_EQ(open_pair("::ffff:10.1.2.3", 22).open.address(), raw({10, 1, 2, 3}));
}

TEST_F(CaptureTest, connecting_program_is_claimed) {
    const pid_t child = ::fork();
    if (child == 0) {
        [[maybe_unused]] const int ignored = ::setuid(1000);
        const OwnFd socket = connect_to("192.0.2.1", 443);
        ::pause();
        ::_exit(0);
    }
    const OwnFd stream = host.accept();
    const auto open = read_message<proto::StreamOpen>(stream.get());
    EXPECT_EQ(open.uid(), 1000U);
    EXPECT_EQ(open.pid(), static_cast<uint32_t>(child));
    EXPECT_TRUE(open.exe().ends_with("unit_guest-init")) << open.exe();
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_F(CaptureTest, bytes_pass_both_ways_and_each_end_on_its_own) {
    const Pair pair = open_pair("192.0.2.1", 80);
    ASSERT_TRUE(sys::write_all(pair.agent.get(), "question"));
    ::shutdown(pair.agent.get(), SHUT_WR);
    EXPECT_EQ(read_bytes(pair.host.get(), 100), "question");
    ASSERT_TRUE(sys::write_all(pair.host.get(), "answer"));
    ::shutdown(pair.host.get(), SHUT_WR);
    EXPECT_EQ(read_bytes(pair.agent.get(), 100), "answer");
    EXPECT_EQ(error_of_reading(pair.agent.get()), 0);
}

TEST_F(CaptureTest, host_that_ends_first_still_reads) {
    const Pair pair = open_pair("192.0.2.1", 80);
    ASSERT_TRUE(sys::write_all(pair.host.get(), "greeting"));
    ::shutdown(pair.host.get(), SHUT_WR);
    EXPECT_EQ(read_bytes(pair.agent.get(), 100), "greeting");
    ASSERT_TRUE(sys::write_all(pair.agent.get(), "reply"));
    ::shutdown(pair.agent.get(), SHUT_WR);
    EXPECT_EQ(read_bytes(pair.host.get(), 100), "reply");
}

TEST_F(CaptureTest, host_that_leaves_resets_the_agent) {
    Pair pair = open_pair("192.0.2.1", 80);
    pair.host.reset();
    EXPECT_EQ(error_of_reading(pair.agent.get()), ECONNRESET);
}

TEST_F(CaptureTest, host_that_leaves_after_an_answer_loses_none_of_it) {
    Pair pair = open_pair("192.0.2.1", 80);
    const timeval short_patience{0, 300'000};
    ::setsockopt(pair.host.get(), SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof short_patience);
    const std::string block(1 << 16, 'b');
    size_t sent = 0;
    for (ssize_t got = 0; got >= 0; sent += static_cast<size_t>(std::max<ssize_t>(got, 0))) {
        got = ::send(pair.host.get(), block.data(), block.size(), MSG_NOSIGNAL);
    }
    ::shutdown(pair.host.get(), SHUT_WR);
    pair.host.reset();
    EXPECT_EQ(read_bytes(pair.agent.get(), sent).size(), sent);
    EXPECT_EQ(error_of_reading(pair.agent.get()), ECONNRESET);
}

TEST_F(CaptureTest, agent_that_resets_ends_both_directions_at_the_host) {
    Pair pair = open_pair("192.0.2.1", 80);
    const linger now{1, 0};
    ::setsockopt(pair.agent.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    pair.agent.reset();
    EXPECT_EQ(read_bytes(pair.host.get(), 1), "");
    EXPECT_LT(::send(pair.host.get(), "x", 1, MSG_NOSIGNAL), 0);
}

TEST_F(CaptureTest, held_streams_end_and_new_ones_wait_for_the_release) {
    const Pair pair = open_pair("192.0.2.1", 443);
    ASSERT_TRUE(sys::write_all(pair.host.get(), "unread"));
    EXPECT_EQ(read_bytes(pair.agent.get(), 6), "unread");
    hold();
    EXPECT_EQ(error_of_reading(pair.agent.get()), ECONNRESET);
    EXPECT_EQ(read_bytes(pair.host.get(), 1), "");
    const OwnFd waiting = connect_to("192.0.2.2", 443);
    resolve("a.example");  // the thread has had its turn
    EXPECT_EQ(host.streams, 1U);
    egress->release();
    const OwnFd stream = host.accept();
    EXPECT_EQ(read_message<proto::StreamOpen>(stream.get()).address(), raw({192, 0, 2, 2}));
}

TEST_F(CaptureTest, refused_stream_resets_the_agent) {
    for (const auto manner : {FakeHost::Manner::kRefuse, FakeHost::Manner::kHangUp}) {
        host.manner = manner;
        const OwnFd agent = connect_to("192.0.2.1", 80);
        EXPECT_EQ(error_of_reading(agent.get()), ECONNRESET);
    }
}

TEST_F(CaptureTest, loopback_is_the_agents_own) {
    const struct {
        const char* bound;
        const char* dialled;
    } cases[] = {{"127.0.0.1", "127.0.0.1"},
                 {"0.0.0.0", "127.0.0.1"},
                 {"0.0.0.0", "127.9.8.7"},
                 {"0.0.0.0", "198.18.0.1"},
                 {"::", "::1"},
                 {"::1", "::1"},
                 {"::", "::ffff:127.0.0.1"},
                 {"0.0.0.0", "0.0.0.0"}};
    uint16_t port = 8000;
    for (const auto& one : cases) {
        const OwnFd listener = listen_on(one.bound, ++port);
        const OwnFd client = connect_to(one.dialled, port);
        const OwnFd server(::accept(listener.get(), nullptr, nullptr));
        ASSERT_TRUE(sys::write_all(server.get(), "mine"));
        EXPECT_EQ(read_bytes(client.get(), 4), "mine") << one.bound << " " << one.dialled;
    }
    EXPECT_EQ(host.streams, 0U);
}

TEST_F(CaptureTest, agents_server_does_not_take_connections_to_elsewhere) {
    const OwnFd listener = listen_on("0.0.0.0", 80);
    const Pair pair = open_pair("192.0.2.1", 80);
    EXPECT_EQ(pair.open.address(), raw({192, 0, 2, 1}));
}

TEST_F(CaptureTest, listener_itself_cannot_be_dialled) {
    for (const char* address : {"127.0.0.1", "198.18.0.1", "::1"}) {
        const OwnFd agent = connect_to(address, 1);
        EXPECT_EQ(error_of_reading(agent.get()), ECONNRESET) << address;
    }
    EXPECT_EQ(host.streams, 0U);
}

TEST_F(CaptureTest, synthetic_address_without_a_name_is_reset) {
    const OwnFd agent = connect_to("198.19.200.200", 443);
    EXPECT_EQ(error_of_reading(agent.get()), ECONNRESET);
    EXPECT_EQ(host.streams, 0U);
}

TEST_F(CaptureTest, udp_to_elsewhere_is_unreachable_at_once) {
    for (const char* address : {"192.0.2.1", "2001:db8::1", "198.18.0.2", "8.8.8.8"}) {
        for (const uint16_t port : {uint16_t{53}, uint16_t{443}}) {
            const OwnFd socket = connect_to(address, port, SOCK_DGRAM);
            ASSERT_EQ(::send(socket.get(), "x", 1, 0), 1);
            EXPECT_EQ(error_of_reading(socket.get()), ECONNREFUSED) << address << " " << port;
        }
    }
}

TEST_F(CaptureTest, slow_host_holds_the_agent_back_and_loses_nothing) {
    const Pair pair = open_pair("192.0.2.1", 80);
    const timeval short_patience{0, 300'000};
    ::setsockopt(pair.agent.get(), SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof short_patience);
    const std::string block(1 << 16, 'b');
    size_t sent = 0;
    for (ssize_t got = 0; got >= 0; sent += static_cast<size_t>(std::max<ssize_t>(got, 0))) {
        ASSERT_LT(sent, size_t{16} << 20) << "nothing holds it back";
        got = ::send(pair.agent.get(), block.data(), block.size(), MSG_NOSIGNAL);
    }
    ::shutdown(pair.agent.get(), SHUT_WR);
    EXPECT_EQ(read_bytes(pair.host.get(), sent + 1).size(), sent);
}

TEST_F(CaptureTest, slow_agent_holds_the_host_back_and_loses_nothing) {
    const Pair pair = open_pair("192.0.2.1", 80);
    const timeval short_patience{0, 300'000};
    ::setsockopt(pair.host.get(), SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof short_patience);
    const std::string block(1 << 16, 'b');
    size_t sent = 0;
    for (ssize_t got = 0; got >= 0; sent += static_cast<size_t>(std::max<ssize_t>(got, 0))) {
        ASSERT_LT(sent, size_t{16} << 20) << "nothing holds it back";
        got = ::send(pair.host.get(), block.data(), block.size(), MSG_NOSIGNAL);
    }
    ::shutdown(pair.host.get(), SHUT_WR);
    EXPECT_EQ(read_bytes(pair.agent.get(), sent + 1).size(), sent);
}

TEST_F(CaptureTest, thousand_connections_at_once_and_the_next_one_waits_its_turn) {
    std::vector<OwnFd> agents;
    std::vector<OwnFd> streams;
    for (size_t i = 0; i < Capture::kMaxConnections; ++i) {
        agents.push_back(connect_to("192.0.2.1", 443));
        const std::string tag = std::to_string(i) + "\n";
        ASSERT_TRUE(sys::write_all(agents.back().get(), tag));
        streams.push_back(host.accept());
    }
    for (const OwnFd& stream : streams) {
        (void)read_message<proto::StreamOpen>(stream.get());
        const std::string tag = read_bytes(stream.get(), 1);
        ASSERT_TRUE(sys::write_all(stream.get(), tag));
    }
    for (size_t i = 0; i < agents.size(); ++i) {
        EXPECT_EQ(read_bytes(agents[i].get(), 1), std::to_string(i).substr(0, 1));
    }
    const OwnFd late = connect_to("192.0.2.2", 443);
    ASSERT_TRUE(sys::write_all(late.get(), "late"));
    agents.front().reset();
    streams.front().reset();
    const OwnFd stream = host.accept();
    EXPECT_EQ(read_message<proto::StreamOpen>(stream.get()).address(), raw({192, 0, 2, 2}));
    EXPECT_EQ(read_bytes(stream.get(), 4), "late");
}

}  // namespace
}  // namespace anchorhold::guest_init
