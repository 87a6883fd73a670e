// vsock as it is meant to work: open, move bytes, close, from both sides.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <numeric>

#include "base/sys.h"
#include "vsock_bench.h"

namespace anchorhold::virtio {
namespace {

using fakes::VsockBench;

class VsockTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(bench_.driver.start());
        bench_.guest.give_buffers(64);
    }
    // The next packet, which must be of this kind.
    fakes::ReceivedPacket expect(Operation operation) {
        auto packet = bench_.guest.receive();
        if (!packet) {
            ADD_FAILURE() << "no packet, wanted " << static_cast<int>(operation);
            return {};
        }
        EXPECT_EQ(static_cast<int>(packet->operation()), static_cast<int>(operation));
        return *packet;
    }
    int host(uint32_t guest_port) { return bench_.backend.streams[guest_port].get(); }
    void hang_up(uint32_t guest_port) {
        bench_.backend.streams.erase(guest_port);
        bench_.settle();
    }

    VsockBench bench_;
};

TEST_F(VsockTest, configuration_tells_the_guest_its_cid) {
    EXPECT_EQ(bench_.driver.read_config(0, 8), fakes::kTestCid);
}

TEST_F(VsockTest, guest_request_is_answered_with_addresses_and_credit) {
    bench_.guest.send({.operation = Operation::kRequest, .guest_port = 10, .host_port = 2000});
    const auto answer = expect(Operation::kResponse);
    EXPECT_EQ(answer.header.source_cid, kVsockHostCid);
    EXPECT_EQ(answer.header.destination_cid, fakes::kTestCid);
    EXPECT_EQ(answer.header.source_port, 2000U);
    EXPECT_EQ(answer.header.destination_port, 10U);
    EXPECT_EQ(answer.header.type, kVsockStream);
    EXPECT_EQ(answer.header.buffer_size, VsockLimits{}.connection_buffer);
    EXPECT_EQ(answer.header.forwarded_count, 0U);
    EXPECT_EQ(answer.header.length, 0U);
    EXPECT_EQ(bench_.device.counters().open_streams, 1U);
}

TEST_F(VsockTest, refused_request_is_reset) {
    bench_.guest.send(
        {.operation = Operation::kRequest, .guest_port = 10, .host_port = fakes::kRefusedPort});
    const auto answer = expect(Operation::kReset);
    EXPECT_EQ(answer.header.destination_port, 10U);
    EXPECT_EQ(bench_.device.counters().open_streams, 0U);
}

TEST_F(VsockTest, bytes_of_the_guest_reach_the_host) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "hello"});
    EXPECT_EQ(VsockBench::read_all(host(10)), "hello");
    EXPECT_EQ(bench_.device.counters().bytes_from_guest, 5U);
}

TEST_F(VsockTest, bytes_of_the_host_reach_the_guest) {
    ASSERT_TRUE(bench_.guest_connects(10));
    VsockBench::write(host(10), "hello");
    bench_.settle();
    const auto packet = expect(Operation::kData);
    EXPECT_EQ(fakes::to_text(packet.payload), "hello");
    EXPECT_EQ(bench_.device.counters().bytes_to_guest, 5U);
    EXPECT_EQ(bench_.irq.raised, 3) << "answer, transmit queue, data";
}

TEST_F(VsockTest, host_bytes_of_many_buffers_arrive_whole_and_in_order) {
    ASSERT_TRUE(bench_.guest_connects(10));
    std::string text(50'000, '\0');
    std::iota(text.begin(), text.end(), 0);
    ASSERT_EQ(VsockBench::write(host(10), text), text.size());
    bench_.settle();
    std::string got;
    while (const auto packet = bench_.guest.receive()) {
        EXPECT_EQ(packet->operation(), Operation::kData);
        got += fakes::to_text(packet->payload);
    }
    EXPECT_EQ(got, text);
}

TEST_F(VsockTest, host_connect_sends_a_request_and_waits_for_the_response) {
    const OwnFd stream = bench_.host_connects(1025);
    const auto request = expect(Operation::kRequest);
    EXPECT_EQ(request.header.destination_port, 1025U);
    EXPECT_NE(request.header.buffer_size, 0U);
    VsockBench::write(stream.get(), "early");
    EXPECT_TRUE(bench_.guest.nothing_received()) << "not before the guest has answered";
    bench_.guest.send({.operation = Operation::kResponse,
                       .guest_port = 1025,
                       .host_port = request.header.source_port});
    EXPECT_EQ(fakes::to_text(expect(Operation::kData).payload), "early");
}

TEST_F(VsockTest, host_connect_refused_by_the_guest_is_end_of_file) {
    const OwnFd stream = bench_.host_connects(1025);
    const auto request = expect(Operation::kRequest);
    bench_.guest.send({.operation = Operation::kReset,
                       .guest_port = 1025,
                       .host_port = request.header.source_port});
    EXPECT_TRUE(VsockBench::at_end(stream.get()));
    EXPECT_TRUE(bench_.guest.nothing_received()) << "never a reset for a reset";
}

TEST_F(VsockTest, host_that_leaves_before_the_answer_resets) {
    OwnFd stream = bench_.host_connects(1025);
    expect(Operation::kRequest);
    stream.reset();
    bench_.settle();
    expect(Operation::kReset);
}

TEST_F(VsockTest, host_connect_of_something_else_is_an_error) {
    auto pair = std::move(sys::socket_pair(SOCK_SEQPACKET).value().first);
    const std::lock_guard guard(bench_.lock);
    EXPECT_FALSE(bench_.device.connect(1025, std::move(pair)).has_value());
    EXPECT_FALSE(bench_.device.connect(1025, OwnFd()).has_value());
}

TEST_F(VsockTest, guest_half_close_shuts_the_hosts_read_side_only) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "last"});
    bench_.guest.send({.operation = Operation::kShutdown,
                       .guest_port = 10,
                       .host_port = 2000,
                       .flags = kShutdownSend});
    EXPECT_EQ(VsockBench::read_all(host(10)), "last");
    EXPECT_TRUE(VsockBench::at_end(host(10)));
    EXPECT_EQ(VsockBench::write(host(10), "answer"), 6U);
    bench_.settle();
    EXPECT_EQ(fakes::to_text(expect(Operation::kData).payload), "answer");
}

TEST_F(VsockTest, guest_that_receives_no_more_fails_the_hosts_writes) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.operation = Operation::kShutdown,
                       .guest_port = 10,
                       .host_port = 2000,
                       .flags = kShutdownReceive});
    EXPECT_EQ(VsockBench::write(host(10), "x"), 0U);
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "still"});
    EXPECT_EQ(VsockBench::read_all(host(10)), "still");
}

TEST_F(VsockTest, guest_close_is_acknowledged_with_a_reset) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.operation = Operation::kShutdown,
                       .guest_port = 10,
                       .host_port = 2000,
                       .flags = kShutdownBoth});
    expect(Operation::kReset);
    EXPECT_TRUE(VsockBench::at_end(host(10)));
    EXPECT_EQ(bench_.device.counters().open_streams, 0U);
    EXPECT_TRUE(bench_.guest_connects(10)) << "the ports are free again";
}

TEST_F(VsockTest, guest_close_with_a_slow_reader_loses_no_byte) {
    ASSERT_TRUE(bench_.guest_connects(10));
    const int size = 4096;
    ASSERT_EQ(::setsockopt(host(10), SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    std::string sent;
    // As much as credit allows: more than the sockets hold.
    const std::string piece(60'000, 'x');
    uint32_t forwarded = 0;
    for (int i = 0; i < 40; ++i) {
        while (const auto packet = bench_.guest.receive()) {
            forwarded = packet->header.forwarded_count;
        }
        if (sent.size() - forwarded + piece.size() > VsockLimits{}.connection_buffer) {
            break;
        }
        bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = piece});
        sent += piece;
    }
    bench_.guest.send({.operation = Operation::kShutdown,
                       .guest_port = 10,
                       .host_port = 2000,
                       .flags = kShutdownBoth});
    std::string got;
    for (int i = 0; i < 100 && got.size() < sent.size(); ++i) {
        got += VsockBench::read_all(host(10));
        bench_.settle();
    }
    EXPECT_EQ(got.size(), sent.size());
    EXPECT_TRUE(VsockBench::at_end(host(10)));
}

TEST_F(VsockTest, host_half_close_tells_the_guest_after_the_data) {
    ASSERT_TRUE(bench_.guest_connects(10));
    VsockBench::write(host(10), "bye");
    ::shutdown(host(10), SHUT_WR);
    bench_.settle();
    EXPECT_EQ(fakes::to_text(expect(Operation::kData).payload), "bye");
    EXPECT_EQ(expect(Operation::kShutdown).header.flags, kShutdownSend);
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "answer"});
    EXPECT_EQ(VsockBench::read_all(host(10)), "answer");
}

TEST_F(VsockTest, host_close_shuts_both_directions_and_waits_for_the_reset) {
    ASSERT_TRUE(bench_.guest_connects(10));
    hang_up(10);
    uint32_t flags = 0;
    while (const auto packet = bench_.guest.receive()) {
        EXPECT_EQ(packet->operation(), Operation::kShutdown);
        flags = packet->header.flags;
    }
    EXPECT_EQ(flags, kShutdownBoth);
    // The guest may be writing still; that is no violation.
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "late"});
    EXPECT_TRUE(bench_.guest.nothing_received());
    bench_.guest.send({.operation = Operation::kReset, .guest_port = 10, .host_port = 2000});
    EXPECT_TRUE(bench_.guest.nothing_received());
    EXPECT_TRUE(bench_.guest_connects(10));
}

TEST_F(VsockTest, host_close_with_unread_bytes_still_delivers_its_own) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "never read"});
    VsockBench::write(host(10), "goodbye");
    hang_up(10);
    EXPECT_EQ(fakes::to_text(expect(Operation::kData).payload), "goodbye");
    EXPECT_EQ(expect(Operation::kShutdown).header.flags, kShutdownBoth);
}

TEST_F(VsockTest, both_half_closes_end_the_connection) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.operation = Operation::kShutdown,
                       .guest_port = 10,
                       .host_port = 2000,
                       .flags = kShutdownSend});
    ::shutdown(host(10), SHUT_WR);
    bench_.settle();
    EXPECT_EQ(expect(Operation::kShutdown).header.flags, kShutdownBoth);
    EXPECT_EQ(bench_.device.counters().open_streams, 0U);
}

TEST_F(VsockTest, credit_request_is_answered) {
    ASSERT_TRUE(bench_.guest_connects(10));
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "12345"});
    bench_.guest.send(
        {.operation = Operation::kCreditRequest, .guest_port = 10, .host_port = 2000});
    EXPECT_EQ(expect(Operation::kCreditUpdate).header.forwarded_count, 5U);
}

TEST_F(VsockTest, data_waits_for_the_guests_credit_and_asks_once) {
    ASSERT_TRUE(bench_.guest_connects(10, 2000, 10));
    VsockBench::write(host(10), "0123456789abcdef");
    bench_.settle();
    EXPECT_EQ(fakes::to_text(expect(Operation::kData).payload), "0123456789");
    VsockBench::write(host(10), "more");
    EXPECT_TRUE([&] {
        bench_.settle();
        const auto packet = bench_.guest.receive();
        return !packet || packet->operation() == Operation::kCreditRequest;
    }());
    EXPECT_TRUE(bench_.guest.nothing_received());
    bench_.guest.send({.operation = Operation::kCreditUpdate,
                       .guest_port = 10,
                       .host_port = 2000,
                       .buffer_size = 10,
                       .forwarded = 6});
    EXPECT_EQ(fakes::to_text(expect(Operation::kData).payload), "abcdef");
}

TEST_F(VsockTest, credit_counters_survive_their_wrap) {
    ASSERT_TRUE(bench_.guest_connects(10, 2000, 100));
    // The guest says it has consumed more than was ever sent: the window is not widened by that.
    bench_.guest.send({.operation = Operation::kCreditUpdate,
                       .guest_port = 10,
                       .host_port = 2000,
                       .buffer_size = 100,
                       .forwarded = UINT32_MAX - 10});
    VsockBench::write(host(10), std::string(500, 'x'));
    bench_.settle();
    size_t got = 0;
    while (const auto packet = bench_.guest.receive()) {
        got += packet->payload.size();
    }
    EXPECT_LE(got, 100U);
}

TEST_F(VsockTest, streams_take_turns_when_receive_buffers_are_short) {
    VsockBench bench;
    ASSERT_TRUE(bench.driver.start());
    bench.guest.give_buffers(2);
    ASSERT_TRUE(bench.guest_connects(10));
    ASSERT_TRUE(bench.guest_connects(11));
    VsockBench::write(bench.backend.streams[10].get(), std::string(60'000, 'a'));
    VsockBench::write(bench.backend.streams[11].get(), "quick");
    bench.settle();
    bench.guest.give_buffers(4);
    size_t quick_at = 99;
    for (size_t i = 0; i < 4; ++i) {
        const auto packet = bench.guest.receive();
        ASSERT_TRUE(packet.has_value());
        if (packet->header.destination_port == 11U) {
            quick_at = i;
        }
    }
    EXPECT_LE(quick_at, 1U) << "the quiet one did not wait for the busy one's end";
}

TEST_F(VsockTest, connections_past_the_limit_are_reset) {
    VsockBench small({.connections = 2});
    ASSERT_TRUE(small.driver.start());
    small.guest.give_buffers(16);
    EXPECT_TRUE(small.guest_connects(10));
    EXPECT_TRUE(small.guest_connects(11));
    EXPECT_FALSE(small.guest_connects(12));
    small.guest.send({.operation = Operation::kReset, .guest_port = 10, .host_port = 2000});
    EXPECT_TRUE(small.guest_connects(12));
}

TEST_F(VsockTest, lingering_connection_gives_way_when_the_table_is_full) {
    VsockBench small({.connections = 1});
    ASSERT_TRUE(small.driver.start());
    small.guest.give_buffers(16);
    ASSERT_TRUE(small.guest_connects(10));
    small.backend.streams.clear();
    small.settle();
    while (small.guest.receive()) {
    }
    small.guest.send({.operation = Operation::kRequest, .guest_port = 11, .host_port = 2000});
    const auto reset = small.guest.receive();
    ASSERT_TRUE(reset.has_value());
    EXPECT_EQ(reset->operation(), Operation::kReset);
    EXPECT_EQ(reset->header.destination_port, 10U);
    const auto response = small.guest.receive();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->operation(), Operation::kResponse);
}

TEST_F(VsockTest, host_connects_waiting_for_an_answer_are_bounded) {
    VsockBench small({.unanswered = 1});
    const OwnFd first = small.host_connects(1);
    auto pair = std::move(sys::socket_pair(SOCK_STREAM).value().first);
    const std::lock_guard guard(small.lock);
    EXPECT_FALSE(small.device.connect(2, std::move(pair)).has_value());
}

TEST_F(VsockTest, driver_reset_ends_every_stream) {
    ASSERT_TRUE(bench_.guest_connects(10));
    const OwnFd other = bench_.host_connects(1025);
    expect(Operation::kRequest);
    bench_.driver.write(0x70, 0);
    bench_.settle();
    EXPECT_TRUE(VsockBench::at_end(host(10)));
    EXPECT_TRUE(VsockBench::at_end(other.get()));
    ASSERT_TRUE(bench_.driver.start());
    bench_.guest.give_buffers(8);
    EXPECT_TRUE(bench_.guest_connects(12));
}

TEST_F(VsockTest, short_lived_streams_leave_nothing_behind) {
    for (uint32_t i = 0; i < 3000; ++i) {
        bench_.guest.give_buffers(2);
        ASSERT_TRUE(bench_.guest_connects(100 + i % 7)) << i;
        bench_.guest.send({.operation = Operation::kShutdown,
                           .guest_port = 100 + i % 7,
                           .host_port = 2000,
                           .flags = kShutdownBoth});
        expect(Operation::kReset);
    }
    EXPECT_EQ(bench_.device.counters().open_streams, 0U);
    EXPECT_EQ(bench_.device.counters().streams_opened, 3000U);
}

}  // namespace
}  // namespace anchorhold::virtio
