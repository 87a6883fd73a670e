// Bugs that other monitors shipped in their vsock devices, each one a test here.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "base/sys.h"
#include "vsock_bench.h"

namespace anchorhold::virtio {
namespace {

using fakes::Direction;
using fakes::VsockBench;
using fakes::VsockGuest;

class VsockFieldBugs : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(bench_.driver.start());
        bench_.guest.give_buffers(32);
        bench_.guest.give_event_buffers(8);
    }
    void reset_all() {
        const std::lock_guard guard(bench_.lock);
        bench_.device.reset_all();
    }

    VsockBench bench_;
};

TEST_F(VsockFieldBugs, reset_is_delivered_on_every_restore_cycle) {
    for (int cycle = 0; cycle < 3; ++cycle) {
        ASSERT_TRUE(bench_.guest_connects(10)) << cycle;
        reset_all();
        const auto event = bench_.guest.receive_event();
        ASSERT_TRUE(event.has_value()) << cycle;
        EXPECT_EQ(*event, kEventTransportReset);
        bench_.settle();
        EXPECT_TRUE(VsockBench::at_end(bench_.backend.streams[10].get()));
        bench_.guest.give_event_buffers(1);
    }
}

TEST_F(VsockFieldBugs, reset_waits_for_an_event_buffer) {
    VsockBench late;
    ASSERT_TRUE(late.driver.start());
    late.guest.give_buffers(8);
    {
        const std::lock_guard guard(late.lock);
        late.device.reset_all();
    }
    EXPECT_FALSE(late.guest.receive_event().has_value());
    late.guest.give_event_buffers(1);
    EXPECT_TRUE(late.guest.receive_event().has_value());
}

TEST_F(VsockFieldBugs, nothing_is_received_before_the_event_queue_is_refilled) {
    reset_all();
    const OwnFd stream = bench_.host_connects(1025);
    EXPECT_TRUE(bench_.guest.nothing_received());
    ASSERT_TRUE(bench_.guest.receive_event().has_value());
    EXPECT_TRUE(bench_.guest.nothing_received()) << "the driver is not through with it";
    bench_.guest.give_event_buffers(1);
    const auto request = bench_.guest.receive();
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->operation(), Operation::kRequest);
}

TEST_F(VsockFieldBugs, gate_survives_a_snapshot_and_opens_after_it) {
    reset_all();
    const VsockState state = bench_.device.save();
    EXPECT_TRUE(state.receive_gated);
    bench_.device.restore(state);
    const OwnFd stream = bench_.host_connects(1025);
    EXPECT_TRUE(bench_.guest.nothing_received());
    ASSERT_TRUE(bench_.guest.receive_event().has_value());
    bench_.guest.give_event_buffers(1);
    EXPECT_TRUE(bench_.guest.receive().has_value());
}

TEST_F(VsockFieldBugs, bare_pause_does_not_close_the_gate) {
    // A snapshot is taken and the guest goes on without a restore: nothing was reset, nothing may
    // be held back.
    ASSERT_TRUE(bench_.guest_connects(10));
    const VsockState state = bench_.device.save();
    EXPECT_FALSE(state.receive_gated);
    EXPECT_FALSE(state.reset_pending);
    VsockBench::write(bench_.backend.streams[10].get(), "on");
    bench_.settle();
    const auto packet = bench_.guest.receive();
    ASSERT_TRUE(packet.has_value());
    EXPECT_EQ(fakes::to_text(packet->payload), "on");
}

TEST_F(VsockFieldBugs, transmit_is_not_stuck_under_event_index_after_restore) {
    ASSERT_TRUE(bench_.guest_connects(10));
    const MmioTransportState state = bench_.transport.save();
    // The driver made a buffer available whose kick came while the machine stood still.
    const PacketHeader header =
        VsockGuest::header({.operation = Operation::kRequest, .guest_port = 11, .host_port = 2000});
    bench_.driver.add(VsockGuest::kTransmit, {{bench_.driver.place(fakes::raw(header)),
                                               sizeof header, Direction::kReadable}});

    VsockDevice device(fakes::kTestCid, {}, bench_.backend, *bench_.loop, bench_.lock);
    MmioTransport restored(device, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock);
    {
        const std::lock_guard guard(bench_.lock);
        ASSERT_TRUE(restored.restore(state));
        device.restore({});
        for (size_t i = 0; i < restored.queue_count(); ++i) {
            restored.process_queue(i);
        }
    }
    bench_.driver.attach(restored);
    EXPECT_TRUE(bench_.driver.pop_used(VsockGuest::kTransmit).has_value());
    EXPECT_TRUE(bench_.guest.receive().has_value());
    // And the next one is asked for.
    bench_.driver.add(VsockGuest::kTransmit, {{bench_.driver.place(fakes::raw(header)),
                                               sizeof header, Direction::kReadable}});
    EXPECT_TRUE(bench_.driver.kick_if_wanted(VsockGuest::kTransmit));
}

// A new process's device over the same rings, as a restore makes it.
struct Restored {
    Restored(VsockBench& bench, const MmioTransportState& registers, const VsockState& streams)
        : bench_(bench) {
        const std::lock_guard guard(bench.lock);
        EXPECT_TRUE(transport.restore(registers));
        device.restore(streams);
        transport.reraise();
        for (size_t i = 0; i < transport.queue_count(); ++i) {
            transport.process_queue(i);
        }
        bench.driver.attach(transport);
    }
    OwnFd host_connects(uint32_t guest_port) {
        auto pair = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK).value();
        {
            const std::lock_guard guard(bench_.lock);
            EXPECT_TRUE(device.connect(guest_port, std::move(pair.first)));
        }
        bench_.settle();
        return std::move(pair.second);
    }

    VsockBench& bench_;
    VsockDevice device{fakes::kTestCid, {}, bench_.backend, *bench_.loop, bench_.lock};
    MmioTransport transport{device, *bench_.memory, bench_.irq, *bench_.loop, bench_.lock};
};

TEST_F(VsockFieldBugs, streams_at_a_snapshot_are_reported_as_gone_on_the_first_and_second_restore) {
    ASSERT_TRUE(bench_.guest_connects(10));
    VsockState state = bench_.device.save();
    EXPECT_TRUE(state.had_streams);
    MmioTransportState registers = bench_.transport.save();
    std::vector<std::unique_ptr<Restored>> cycles;
    for (uint32_t cycle = 0; cycle < 3; ++cycle) {
        Restored& copy = *cycles.emplace_back(std::make_unique<Restored>(bench_, registers, state));
        const auto event = bench_.guest.receive_event();
        ASSERT_TRUE(event.has_value()) << cycle;
        EXPECT_EQ(*event, kEventTransportReset);
        EXPECT_FALSE(bench_.guest.receive_event().has_value()) << "told once, cycle " << cycle;
        EXPECT_FALSE(copy.device.save().had_streams);
        bench_.guest.give_event_buffers(1);
        // The next snapshot is of a guest that has opened another stream meanwhile.
        ASSERT_TRUE(bench_.guest_connects(20 + cycle)) << cycle;
        registers = copy.transport.save();
        state = copy.device.save();
        EXPECT_TRUE(state.had_streams);
    }
}

TEST_F(VsockFieldBugs, guest_without_streams_is_told_nothing_on_restore) {
    VsockState state = bench_.device.save();
    EXPECT_FALSE(state.had_streams);
    MmioTransportState registers = bench_.transport.save();
    std::vector<std::unique_ptr<Restored>> cycles;
    std::vector<OwnFd> streams;
    for (uint32_t cycle = 0; cycle < 2; ++cycle) {
        Restored& copy = *cycles.emplace_back(std::make_unique<Restored>(bench_, registers, state));
        EXPECT_FALSE(bench_.guest.receive_event().has_value()) << cycle;
        EXPECT_FALSE(copy.device.save().receive_gated);
        streams.push_back(copy.host_connects(1025));
        const auto request = bench_.guest.receive();
        ASSERT_TRUE(request.has_value()) << "nothing to wait for, cycle " << cycle;
        EXPECT_EQ(request->operation(), Operation::kRequest);
        registers = copy.transport.save();
        state = bench_.device.save();  // without the stream just opened
    }
}

TEST_F(VsockFieldBugs, host_stream_opened_at_a_restore_waits_until_the_guest_has_forgotten) {
    const OwnFd before = bench_.host_connects(1025);
    ASSERT_TRUE(bench_.guest.receive().has_value());
    const VsockState state = bench_.device.save();
    EXPECT_TRUE(state.had_streams) << "asked for by the host, not answered yet";
    Restored copy(bench_, bench_.transport.save(), state);
    const OwnFd stream = copy.host_connects(1026);
    EXPECT_TRUE(bench_.guest.nothing_received());
    ASSERT_TRUE(bench_.guest.receive_event().has_value());
    EXPECT_TRUE(bench_.guest.nothing_received());
    bench_.guest.give_event_buffers(1);
    const auto request = bench_.guest.receive();
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->header.destination_port, 1026U);
}

TEST_F(VsockFieldBugs, reset_that_no_buffer_was_there_for_survives_a_second_snapshot) {
    VsockBench late;
    ASSERT_TRUE(late.driver.start());
    late.guest.give_buffers(8);
    ASSERT_TRUE(late.guest_connects(10));
    const Restored first(late, late.transport.save(), late.device.save());
    const VsockState undelivered = first.device.save();
    EXPECT_TRUE(undelivered.reset_pending);
    Restored second(late, first.transport.save(), undelivered);
    EXPECT_FALSE(late.guest.receive_event().has_value());
    late.guest.give_event_buffers(1);
    const auto event = late.guest.receive_event();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(*event, kEventTransportReset);
    EXPECT_FALSE(second.device.save().reset_pending);
}

TEST_F(VsockFieldBugs, gate_closed_at_a_snapshot_opens_when_the_buffer_is_given_to_the_copy) {
    ASSERT_TRUE(bench_.guest_connects(10));
    Restored first(bench_, bench_.transport.save(), bench_.device.save());
    const VsockState gated = first.device.save();
    ASSERT_TRUE(gated.receive_gated);
    Restored second(bench_, first.transport.save(), gated);
    const OwnFd stream = second.host_connects(1025);
    EXPECT_TRUE(bench_.guest.nothing_received());
    ASSERT_TRUE(bench_.guest.receive_event().has_value());
    EXPECT_FALSE(bench_.guest.receive_event().has_value()) << "a second event for one reset";
    bench_.guest.give_event_buffers(1);
    EXPECT_TRUE(bench_.guest.receive().has_value());
}

TEST_F(VsockFieldBugs, host_ports_go_on_behind_those_of_before_the_snapshot) {
    const OwnFd first = bench_.host_connects(1025);
    const auto before = bench_.guest.receive();
    ASSERT_TRUE(before.has_value());
    const VsockState state = bench_.device.save();
    EXPECT_EQ(state.next_host_port, before->header.source_port + 1);
    Restored copy(bench_, bench_.transport.save(), state);
    ASSERT_TRUE(bench_.guest.receive_event().has_value());
    bench_.guest.give_event_buffers(1);
    const OwnFd second = copy.host_connects(1025);
    const auto after = bench_.guest.receive();
    ASSERT_TRUE(after.has_value());
    EXPECT_EQ(after->header.source_port, before->header.source_port + 1);
    EXPECT_EQ(copy.device.save().next_host_port, before->header.source_port + 2);
}

TEST_F(VsockFieldBugs, host_port_that_no_host_uses_is_not_taken_from_a_state) {
    for (const uint32_t port : {0U, 1U, 1024U, 0xffffffffU}) {
        VsockBench bench;
        ASSERT_TRUE(bench.driver.start());
        bench.guest.give_buffers(4);
        VsockState state = bench.device.save();
        state.next_host_port = port;
        bench.device.restore(state);
        const OwnFd stream = bench.host_connects(1025);
        const auto request = bench.guest.receive();
        ASSERT_TRUE(request.has_value());
        EXPECT_GT(request->header.source_port, 1024U) << port;
        EXPECT_NE(request->header.source_port, 0xffffffffU) << "VMADDR_PORT_ANY";
    }
}

TEST_F(VsockFieldBugs, host_port_is_not_reused_while_its_connection_lingers) {
    OwnFd first = bench_.host_connects(1025);
    const auto request = bench_.guest.receive();
    ASSERT_TRUE(request.has_value());
    bench_.guest.send({.operation = Operation::kResponse,
                       .guest_port = 1025,
                       .host_port = request->header.source_port});
    first.reset();
    bench_.settle();  // the guest was told to shut down and has not answered
    const OwnFd second = bench_.host_connects(1025);
    std::optional<fakes::ReceivedPacket> packet;
    while ((packet = bench_.guest.receive()) && packet->operation() != Operation::kRequest) {
    }
    ASSERT_TRUE(packet.has_value());
    EXPECT_NE(packet->header.source_port, request->header.source_port);
}

TEST_F(VsockFieldBugs, half_closed_stream_does_not_spin_the_loop) {
    ASSERT_TRUE(bench_.guest_connects(10));
    ::shutdown(bench_.backend.streams[10].get(), SHUT_WR);
    bench_.settle();
    // An idle loop waits; one that spins returns at once, every time.
    const auto before = std::chrono::steady_clock::now();
    ASSERT_TRUE(bench_.loop->run_once(std::chrono::milliseconds(30)));
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(25));
}

TEST_F(VsockFieldBugs, stream_without_credit_does_not_spin_the_loop) {
    ASSERT_TRUE(bench_.guest_connects(10, 2000, 0));
    VsockBench::write(bench_.backend.streams[10].get(), "waits");
    bench_.settle();
    const auto before = std::chrono::steady_clock::now();
    ASSERT_TRUE(bench_.loop->run_once(std::chrono::milliseconds(30)));
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(25));
}

TEST_F(VsockFieldBugs, stream_without_receive_buffers_does_not_spin_the_loop) {
    VsockBench bare;
    ASSERT_TRUE(bare.driver.start());
    bare.guest.give_buffers(1);
    ASSERT_TRUE(bare.guest_connects(10));
    VsockBench::write(bare.backend.streams[10].get(), "waits");
    bare.settle();
    const auto before = std::chrono::steady_clock::now();
    ASSERT_TRUE(bare.loop->run_once(std::chrono::milliseconds(30)));
    EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(25));
    bare.guest.give_buffers(1);
    const auto packet = bare.guest.receive();
    ASSERT_TRUE(packet.has_value());
    EXPECT_EQ(fakes::to_text(packet->payload), "waits");
}

// Linux 6.17 and later send a packet as many fragments, the header in one of its own or together
// with payload.
TEST_F(VsockFieldBugs, packet_in_many_fragments_is_read_once_and_in_order) {
    ASSERT_TRUE(bench_.guest_connects(10));
    const std::string text = "abcdefghijklmnopqrstuvwxyz";
    auto bytes =
        fakes::raw(VsockGuest::header({.guest_port = 10, .host_port = 2000, .payload = text}));
    const auto payload = fakes::to_bytes(text);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    std::vector<fakes::Buffer> fragments;
    for (size_t i = 0; i < bytes.size(); i += 7) {
        const size_t size = std::min<size_t>(7, bytes.size() - i);
        fragments.push_back({bench_.driver.place(std::span(bytes).subspan(i, size)),
                             static_cast<uint32_t>(size), Direction::kReadable});
    }
    bench_.driver.add(VsockGuest::kTransmit, fragments);
    bench_.driver.kick(VsockGuest::kTransmit);
    bench_.driver.add_indirect(VsockGuest::kTransmit, fragments);
    bench_.driver.kick(VsockGuest::kTransmit);
    EXPECT_EQ(VsockBench::read_all(bench_.backend.streams[10].get()), text + text);
}

TEST_F(VsockFieldBugs, receive_buffer_in_fragments_is_filled_across_them) {
    VsockBench other;
    ASSERT_TRUE(other.driver.start());
    const memory::GuestAddress area = other.driver.allocate(256);
    other.driver.add(VsockGuest::kReceive,
                     {{area, 20, Direction::kWritable},
                      {memory::GuestAddress(area.value() + 20), 30, Direction::kWritable},
                      {memory::GuestAddress(area.value() + 50), 100, Direction::kWritable}});
    const OwnFd stream = other.host_connects(1025);
    const auto used = other.driver.pop_used(VsockGuest::kReceive);
    ASSERT_TRUE(used.has_value());
    EXPECT_EQ(used->length, 44U);
    const auto header = other.memory->load<PacketHeader>(area);
    EXPECT_EQ(header->destination_port, 1025U);
}

TEST_F(VsockFieldBugs, partial_writes_lose_nothing_and_give_credit_only_for_what_was_taken) {
    ASSERT_TRUE(bench_.guest_connects(10));
    const int host = bench_.backend.streams[10].get();
    uint32_t forwarded = 0;
    uint32_t sent = 0;
    std::string got;
    const std::string piece(50'000, 'p');
    const uint32_t window = VsockLimits{}.connection_buffer;
    int stalls = 0;
    while (sent < 3'000'000) {
        if (sent - forwarded + piece.size() <= window) {
            bench_.guest.send({.guest_port = 10, .host_port = 2000, .payload = piece});
            sent += static_cast<uint32_t>(piece.size());
        } else {
            // The window is shut because the host does not read, and it opens as the host reads.
            ++stalls;
            got += VsockBench::read_all(host);
            bench_.settle();
        }
        while (const auto packet = bench_.guest.receive()) {
            ASSERT_EQ(packet->operation(), Operation::kCreditUpdate);
            forwarded = packet->header.forwarded_count;
            bench_.guest.give_buffers(1);
        }
        ASSERT_LE(forwarded, sent);
        ASSERT_LT(stalls, 1000) << "credit starved";
    }
    got += VsockBench::read_all(host);
    bench_.settle();
    got += VsockBench::read_all(host);
    EXPECT_EQ(got.size(), sent);
    EXPECT_GT(stalls, 0);
}

TEST_F(VsockFieldBugs, host_connect_before_the_driver_waits_for_it) {
    VsockBench early;
    const OwnFd stream = early.host_connects(1025);
    VsockBench::write(stream.get(), "first words");
    ASSERT_TRUE(early.driver.start());  // resets the device on its way
    EXPECT_FALSE(VsockBench::at_end(stream.get()));
    early.guest.give_buffers(4);
    const auto request = early.guest.receive();
    ASSERT_TRUE(request.has_value());
    ASSERT_EQ(request->operation(), Operation::kRequest);
    early.guest.send({.operation = Operation::kResponse,
                      .guest_port = 1025,
                      .host_port = request->header.source_port});
    const auto data = early.guest.receive();
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ(fakes::to_text(data->payload), "first words");
}

TEST_F(VsockFieldBugs, host_that_left_before_the_driver_came_asks_nothing) {
    VsockBench early;
    OwnFd stream = early.host_connects(1025);
    stream.reset();
    early.settle();
    ASSERT_TRUE(early.driver.start());
    early.guest.give_buffers(4);
    EXPECT_TRUE(early.guest.nothing_received());
}

TEST_F(VsockFieldBugs, stream_events_after_a_reset_on_another_thread_find_nobody) {
    ASSERT_TRUE(bench_.guest_connects(10));
    VsockBench::write(bench_.backend.streams[10].get(), "x");
    bench_.driver.write(0x70, 0);  // as a vCPU's thread does, before the loop has run
    bench_.settle();
    EXPECT_TRUE(VsockBench::at_end(bench_.backend.streams[10].get()));
}

}  // namespace
}  // namespace anchorhold::virtio
