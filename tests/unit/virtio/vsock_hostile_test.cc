// Guests that break vsock's rules, one rule each.
#include <gtest/gtest.h>

#include "vsock_bench.h"

namespace anchorhold::virtio {
namespace {

using fakes::Direction;
using fakes::VsockBench;
using fakes::VsockGuest;

class HostileVsockTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(bench_.driver.start());
        bench_.guest.give_buffers(32);
        ASSERT_TRUE(bench_.guest_connects(10));
    }
    void expect_reset() {
        const auto packet = bench_.guest.receive();
        ASSERT_TRUE(packet.has_value());
        EXPECT_EQ(packet->operation(), Operation::kReset);
        EXPECT_EQ(packet->header.destination_port, 10U);
        EXPECT_TRUE(VsockBench::at_end(bench_.backend.streams[10].get()));
        EXPECT_FALSE(bench_.driver.needs_reset());
    }
    PacketHeader data_header() { return VsockGuest::header({.guest_port = 10, .host_port = 2000}); }

    VsockBench bench_;
};

// CVE-2019-18960: a length beyond the chain made the host read past its end.
TEST_F(HostileVsockTest, length_beyond_the_chain_resets) {
    PacketHeader header = data_header();
    header.length = 4096;
    bench_.guest.send_raw(header, "short");
    expect_reset();
}

TEST_F(HostileVsockTest, length_of_4_gib_resets) {
    PacketHeader header = data_header();
    header.length = UINT32_MAX;
    bench_.guest.send_raw(header, "short");
    expect_reset();
}

TEST_F(HostileVsockTest, length_below_the_chain_takes_only_that) {
    PacketHeader header = data_header();
    header.length = 3;
    bench_.guest.send_raw(header, "abcdef");
    EXPECT_EQ(VsockBench::read_all(bench_.backend.streams[10].get()), "abc");
}

TEST_F(HostileVsockTest, more_than_its_credit_resets) {
    // The host does not read: its socket and then our buffer fill up.
    const std::string piece(60'000, 'x');
    for (int i = 0; i < 40; ++i) {
        bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = piece});
        while (const auto packet = bench_.guest.receive()) {
            if (packet->operation() == Operation::kReset) {
                return;
            }
            ASSERT_EQ(packet->operation(), Operation::kCreditUpdate);
        }
        bench_.guest.give_buffers(1);
    }
    FAIL() << "2.4 MB went somewhere";
}

TEST_F(HostileVsockTest, data_after_its_own_shutdown_resets) {
    bench_.guest.send({.operation = Operation::kShutdown,
                       .guest_port = 10,
                       .host_port = 2000,
                       .flags = kShutdownSend});
    bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = "x"});
    expect_reset();
}

TEST_F(HostileVsockTest, second_request_on_the_same_ports_resets) {
    bench_.guest.send({.operation = Operation::kRequest, .guest_port = 10, .host_port = 2000});
    expect_reset();
}

TEST_F(HostileVsockTest, response_nobody_asked_for_resets) {
    bench_.guest.send({.operation = Operation::kResponse, .guest_port = 10, .host_port = 2000});
    expect_reset();
}

TEST_F(HostileVsockTest, unknown_operation_resets) {
    bench_.guest.send(
        {.operation = static_cast<Operation>(99), .guest_port = 10, .host_port = 2000});
    expect_reset();
}

TEST_F(HostileVsockTest, unknown_type_is_answered_and_hurts_no_stream) {
    PacketHeader header = data_header();
    header.type = 77;
    bench_.guest.send_raw(header, "");
    const auto packet = bench_.guest.receive();
    ASSERT_TRUE(packet.has_value());
    EXPECT_EQ(packet->operation(), Operation::kReset);
    EXPECT_EQ(packet->header.type, 77);
    EXPECT_EQ(bench_.device.counters().open_streams, 1U);
    header.operation = static_cast<uint16_t>(Operation::kReset);
    bench_.guest.send_raw(header, "");
    EXPECT_TRUE(bench_.guest.nothing_received());
}

TEST_F(HostileVsockTest, foreign_source_cid_is_dropped) {
    for (const uint64_t cid : {uint64_t{0}, uint64_t{2}, uint64_t{4}, UINT64_MAX}) {
        PacketHeader header = data_header();
        header.source_cid = cid;
        bench_.guest.send_raw(header, "");
    }
    EXPECT_TRUE(bench_.guest.nothing_received());
    EXPECT_EQ(bench_.device.counters().packets_dropped, 4U);
}

TEST_F(HostileVsockTest, foreign_destination_cid_is_dropped) {
    for (const uint64_t cid : {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{1} << 32 | 2}) {
        PacketHeader header = data_header();
        header.destination_cid = cid;
        bench_.guest.send_raw(header, "");
    }
    EXPECT_TRUE(bench_.guest.nothing_received());
    EXPECT_EQ(bench_.device.counters().packets_dropped, 4U);
}

TEST_F(HostileVsockTest, packet_for_no_stream_is_reset_but_never_a_reset) {
    bench_.guest.send({.guest_port = 99, .host_port = 2000, .payload = "x"});
    auto packet = bench_.guest.receive();
    ASSERT_TRUE(packet.has_value());
    EXPECT_EQ(packet->operation(), Operation::kReset);
    bench_.guest.send({.operation = Operation::kReset, .guest_port = 99, .host_port = 2000});
    EXPECT_TRUE(bench_.guest.nothing_received());
}

TEST_F(HostileVsockTest, answer_to_a_request_it_has_not_seen_resets) {
    VsockBench late;
    ASSERT_TRUE(late.driver.start());
    const OwnFd stream = late.host_connects(1025);  // no buffer: the request waits
    late.guest.send(
        {.operation = Operation::kResponse, .guest_port = 1025, .host_port = 0x4000'0000});
    EXPECT_TRUE(VsockBench::at_end(stream.get()));
}

TEST_F(HostileVsockTest, data_before_its_response_resets) {
    const OwnFd stream = bench_.host_connects(1025);
    const auto request = bench_.guest.receive();
    ASSERT_TRUE(request.has_value());
    bench_.guest.send(
        {.guest_port = 1025, .host_port = request->header.source_port, .payload = "too early"});
    EXPECT_TRUE(VsockBench::at_end(stream.get()));
}

TEST_F(HostileVsockTest, flood_of_strangers_keeps_resets_bounded) {
    VsockBench mute({.resets = 16});
    ASSERT_TRUE(mute.driver.start());  // gives no receive buffers
    for (uint32_t i = 0; i < 200; ++i) {
        mute.guest.send({.guest_port = i, .host_port = 5, .payload = "x"});
    }
    EXPECT_EQ(mute.device.counters().packets_dropped, 200U - 16U);
    mute.guest.give_buffers(64);
    int resets = 0;
    while (mute.guest.receive()) {
        ++resets;
    }
    EXPECT_EQ(resets, 16);
}

TEST_F(HostileVsockTest, packet_shorter_than_a_header_is_dropped) {
    bench_.driver.add(VsockGuest::kTransmit,
                      {{bench_.driver.allocate(43), 43, Direction::kReadable}});
    bench_.driver.kick(VsockGuest::kTransmit);
    EXPECT_TRUE(bench_.driver.pop_used(VsockGuest::kTransmit).has_value());
    EXPECT_FALSE(bench_.driver.needs_reset());
}

TEST_F(HostileVsockTest, receive_buffer_below_a_header_needs_reset) {
    VsockBench other;
    ASSERT_TRUE(other.driver.start());
    other.guest.give_buffers(1, 43);
    const OwnFd stream = other.host_connects(1);
    EXPECT_TRUE(other.driver.needs_reset());
}

TEST_F(HostileVsockTest, receive_buffer_of_a_bare_header_needs_reset_when_data_comes) {
    VsockBench other;
    ASSERT_TRUE(other.driver.start());
    other.guest.give_buffers(2, 44);
    ASSERT_TRUE(other.guest_connects(10));
    VsockBench::write(other.backend.streams[10].get(), "x");
    other.settle();
    EXPECT_TRUE(other.driver.needs_reset());
}

TEST_F(HostileVsockTest, readable_receive_buffer_needs_reset) {
    VsockBench other;
    ASSERT_TRUE(other.driver.start());
    other.driver.add(VsockGuest::kReceive,
                     {{other.driver.allocate(4096), 4096, Direction::kReadable}});
    const OwnFd stream = other.host_connects(1);
    EXPECT_TRUE(other.driver.needs_reset());
}

}  // namespace
}  // namespace anchorhold::virtio
