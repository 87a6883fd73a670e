// Two bridges over a socketpair: bytes, half-close, hang-up on either side, a lost transport, a
// stream that nobody reads.
#include "machine/mux_bridge.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <string>

#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr int kFlags = SOCK_STREAM | SOCK_NONBLOCK;

class MuxBridgeTest : public testing::Test {
  protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);
        loop = EventLoop::create().value();
        auto [a, b] = sys::socket_pair(kFlags).value();
        relay = std::make_unique<MuxBridge>(
            *loop, std::move(a), MuxSide::kRelay,
            MuxBridge::Handlers{.hello = [&](const proto::MuxHello& h) { build_id = h.build_id(); },
                                .lost = [&](const Error& e) { relay_lost = e.message; },
                                .channel_closed = [&] { ++relay_closed; }});
        agent = std::make_unique<MuxBridge>(
            *loop, std::move(b), MuxSide::kAgent,
            MuxBridge::Handlers{.power_off = [&] { off = true; },
                                .opened = [&](ChannelId id) { serve(id); },
                                .lost = [&](const Error& e) { agent_lost = e.message; },
                                .channel_closed = [&] { ++agent_closed; }});
        agent->hello("build", true);
        ASSERT_TRUE(relay->start());
        ASSERT_TRUE(agent->start());
    }

    void serve(ChannelId id) {
        if (refuse) {
            agent->refuse(id);
            return;
        }
        auto [mine, theirs] = sys::socket_pair(kFlags).value();
        servers.push_back(std::move(mine));
        ASSERT_TRUE(agent->attach(id, std::move(theirs)));
    }

    OwnFd connect() {
        auto [mine, theirs] = sys::socket_pair(kFlags).value();
        EXPECT_TRUE(relay->open(std::move(theirs)));
        return std::move(mine);
    }

    template <typename Condition>
    [[nodiscard]] bool run_until(Condition condition) {
        const TimePoint deadline = loop->clock().now() + std::chrono::seconds(20);
        while (!condition()) {
            if (loop->clock().now() > deadline || !loop->run_once(std::chrono::seconds(1))) {
                return false;
            }
        }
        return true;
    }

    // Reads what is there; "<eof>" is appended at the end of the stream.
    static void read_into(std::string& text, int fd) {
        char bytes[4096];
        for (;;) {
            const auto got = sys::read_some(fd, std::as_writable_bytes(std::span(bytes)));
            if (!got || !got->has_value() || **got == 0) {
                text += got && got->has_value() ? "<eof>" : "";
                return;
            }
            text.append(bytes, **got);
        }
    }

    [[nodiscard]] std::string read_until(int fd, std::string_view wanted) {
        std::string text;
        EXPECT_TRUE(run_until([&] {
            read_into(text, fd);
            return text.size() >= wanted.size();
        }));
        return text;
    }

    std::unique_ptr<EventLoop> loop;
    std::unique_ptr<MuxBridge> relay;
    std::unique_ptr<MuxBridge> agent;
    std::vector<OwnFd> servers;
    std::string build_id;
    std::string relay_lost;
    std::string agent_lost;
    bool off = false;
    bool refuse = false;
    int relay_closed = 0;
    int agent_closed = 0;
};

TEST_F(MuxBridgeTest, hello_and_power_off_arrive) {
    EXPECT_TRUE(run_until([&] { return build_id == "build"; }));
    relay->power_off();
    EXPECT_TRUE(run_until([&] { return off; }));
}

TEST_F(MuxBridgeTest, half_closed_stream_still_answers) {
    const OwnFd client = connect();
    ASSERT_TRUE(sys::write_all(client.get(), "ask"));
    ::shutdown(client.get(), SHUT_WR);
    ASSERT_TRUE(run_until([&] { return !servers.empty(); }));
    EXPECT_EQ(read_until(servers[0].get(), "ask<eof>"), "ask<eof>");
    ASSERT_TRUE(sys::write_all(servers[0].get(), "answer"));
    servers.clear();
    EXPECT_EQ(read_until(client.get(), "answer<eof>"), "answer<eof>");
    EXPECT_TRUE(run_until([&] { return relay_closed == 1 && agent_closed == 1; }));
}

TEST_F(MuxBridgeTest, server_that_closes_after_much_output_delivers_all_of_it) {
    const OwnFd client = connect();
    ASSERT_TRUE(run_until([&] { return !servers.empty(); }));
    // More than room on the way: what the socket of the server takes, written until it is full.
    std::string sent;
    const std::string piece(1000, 'y');
    for (;;) {
        const auto wrote =
            sys::write_some(servers[0].get(), std::as_bytes(std::span(piece.data(), piece.size())));
        if (!wrote || !wrote->has_value()) {
            break;
        }
        sent.append(piece, 0, **wrote);
    }
    servers.clear();
    EXPECT_GT(sent.size(), kMaxMuxChunk);
    EXPECT_TRUE(read_until(client.get(), sent + "<eof>") == sent + "<eof>");
}

TEST_F(MuxBridgeTest, client_that_vanishes_hangs_up_on_the_server) {
    OwnFd client = connect();
    ASSERT_TRUE(run_until([&] { return !servers.empty(); }));
    client.reset();
    EXPECT_EQ(read_until(servers[0].get(), "<eof>"), "<eof>");
    EXPECT_EQ(relay->stream_count(), 0U);
    EXPECT_EQ(agent->stream_count(), 0U);
}

TEST_F(MuxBridgeTest, refused_channel_closes_the_client) {
    refuse = true;
    const OwnFd client = connect();
    EXPECT_EQ(read_until(client.get(), "<eof>"), "<eof>");
}

TEST_F(MuxBridgeTest, lost_transport_closes_streams_and_is_told) {
    const OwnFd client = connect();
    ASSERT_TRUE(run_until([&] { return !servers.empty(); }));
    agent.reset();
    EXPECT_EQ(read_until(client.get(), "<eof>"), "<eof>");
    EXPECT_EQ(relay_lost, "multiplex transport: end of file");
}

// Writes until nothing moves for a while of turns: how much fits between a writer and a reader that
// does not read.
size_t fill(EventLoop& loop, int fd) {
    const std::string piece(64 * 1024, 'z');
    size_t total = 0;
    for (int idle = 0; idle < 50;) {
        const auto wrote =
            sys::write_some(fd, std::as_bytes(std::span(piece.data(), piece.size())));
        idle = wrote && wrote->has_value() ? 0 : idle + 1;
        total += wrote ? wrote->value_or(0) : 0;
        EXPECT_TRUE(loop.run_once(std::chrono::milliseconds(1)));
    }
    return total;
}

TEST_F(MuxBridgeTest, stream_that_nobody_reads_is_bounded_and_stops_no_other) {
    const OwnFd stuck = connect();
    const OwnFd lively = connect();
    ASSERT_TRUE(run_until([&] { return servers.size() == 2; }));
    EXPECT_LT(fill(*loop, stuck.get()), 2U * 1024 * 1024);
    ASSERT_TRUE(sys::write_all(lively.get(), "ask"));
    EXPECT_EQ(read_until(servers[1].get(), "ask"), "ask");
}

}  // namespace
}  // namespace anchorhold::machine
