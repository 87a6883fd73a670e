// The payload of a state file, whole and broken in every way that its reader has to notice.
#include "vmm/snapshot/machine_state.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "proto/machine_state.pb.h"
#include "sample_state.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

proto::MachineState message_of(const MachineState& state) {
    proto::MachineState message;
    EXPECT_TRUE(message.ParseFromString(encode(state)));
    return message;
}

using Change = std::function<void(proto::MachineState&)>;

// One printable line that has `what` in it.
void expect_refused(std::string_view payload, const std::string& what) {
    // A copy of exactly this size, so that AddressSanitizer sees the first byte past it.
    const std::vector<char> exact(payload.begin(), payload.end());
    const auto decoded = decode_machine_state({exact.data(), exact.size()});
    ASSERT_FALSE(decoded) << what;
    for (const char c : decoded.error().message) {
        ASSERT_TRUE(c >= 0x20 && c <= 0x7e) << decoded.error().message;
    }
    EXPECT_NE(decoded.error().message.find(what), std::string::npos) << decoded.error().message;
}

void expect_refused(const Change& change, const std::string& what) {
    proto::MachineState message = message_of(sample_state());
    change(message);
    expect_refused(message.SerializeAsString(), what);
}

template <typename T>
bool same_bytes(const T& a, const T& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

TEST(MachineState, processors_survive_the_round_trip) {
    const MachineState state = sample_state();
    const auto back = decode_machine_state(encode(state));
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_EQ(back->processors.size(), 2U);
    for (size_t i = 0; i < 2; ++i) {
        const kvm::VcpuState& in = state.processors[i];
        const kvm::VcpuState& out = back->processors[i];
        EXPECT_TRUE(same_bytes(in.mp_state, out.mp_state));
        EXPECT_TRUE(same_bytes(in.registers, out.registers));
        EXPECT_TRUE(same_bytes(in.special_registers, out.special_registers));
        EXPECT_EQ(in.xsave, out.xsave);
        EXPECT_TRUE(same_bytes(in.extended_controls, out.extended_controls));
        EXPECT_TRUE(same_bytes(in.debug_registers, out.debug_registers));
        EXPECT_TRUE(same_bytes(in.local_apic, out.local_apic));
        EXPECT_TRUE(same_bytes(in.events, out.events));
        EXPECT_EQ(in.tsc, out.tsc);
        EXPECT_EQ(in.tsc_khz, out.tsc_khz);
        ASSERT_EQ(out.cpuid.size(), in.cpuid.size());
        EXPECT_TRUE(same_bytes(in.cpuid.back(), out.cpuid.back()));
        ASSERT_EQ(out.msrs.size(), in.msrs.size());
        EXPECT_TRUE(same_bytes(in.msrs.back(), out.msrs.back()));
    }
}

TEST(MachineState, machine_and_devices_survive_the_round_trip) {
    const MachineState state = sample_state();
    const auto back = decode_machine_state(encode(state));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->memory_bytes, state.memory_bytes);
    EXPECT_TRUE(same_bytes(back->vm.clock, state.vm.clock));
    EXPECT_TRUE(same_bytes(back->vm.chips, state.vm.chips));
    EXPECT_EQ(back->devices.disks, state.devices.disks);
    ASSERT_EQ(back->devices.transports.size(), state.devices.transports.size());
    const virtio::MmioTransportState& transport = back->devices.transports[4];
    EXPECT_EQ(transport.driver_features, 0x130000004U);
    EXPECT_EQ(transport.device_features_select, 1U);
    EXPECT_EQ(transport.driver_features_select, 2U);
    EXPECT_EQ(transport.queue_select, 3U);
    EXPECT_EQ(transport.status, 15U);
    EXPECT_EQ(transport.interrupt_status, 1U);
    EXPECT_EQ(transport.config_generation, 9U);
    ASSERT_EQ(transport.queues.size(), 3U);
    const virtio::QueueState& queue = transport.queues[2];
    EXPECT_EQ(queue.config.size, 128U);
    EXPECT_TRUE(queue.config.ready);
    EXPECT_EQ(queue.config.descriptors, 0x10000U);
    EXPECT_EQ(queue.config.available, 0x20000U);
    EXPECT_EQ(queue.config.used, 0x30000U);
    EXPECT_EQ(queue.next_available, 65533U);
    EXPECT_EQ(queue.next_used, 9U);
    EXPECT_EQ(queue.signalled_used, 8U);
    EXPECT_TRUE(back->devices.streams.had_streams);
    EXPECT_EQ(back->devices.streams.next_host_port, 0x80000123U);
    EXPECT_TRUE(back->devices.streams.reset_pending);
    EXPECT_TRUE(back->devices.streams.receive_gated);
    EXPECT_EQ(back->devices.streams.event_index_seen, 513U);
    EXPECT_EQ(back->devices.balloon.target_pages, 1000U);
    EXPECT_EQ(back->devices.balloon.actual_pages, 999U);
    EXPECT_EQ(back->devices.serial, state.devices.serial);
    EXPECT_EQ(encode(*back), encode(state));
}

TEST(MachineState, payload_cut_at_any_length_is_refused) {
    const std::string payload = encode(sample_state());
    for (size_t size = 0; size < payload.size(); ++size) {
        expect_refused(std::string_view(payload).substr(0, size), "machine state");
    }
}

TEST(MachineState, other_version_is_refused_with_both_numbers) {
    expect_refused([](auto& message) { message.set_version(kMachineStateVersion + 1); },
                   "version 2, this build reads 1");
    expect_refused([](auto& message) { message.clear_version(); }, "version 0");
}

struct SizedField {
    std::string name;
    std::function<std::string*(proto::MachineState&)> bytes;
};

std::vector<SizedField> sized_fields() {
    const auto of_processor = [](std::string* (proto::ProcessorState::*field)()) {
        return [field](proto::MachineState& message) {
            return (message.mutable_processors(1)->*field)();
        };
    };
    using P = proto::ProcessorState;
    return {
        {"mp_state", of_processor(&P::mutable_mp_state)},
        {"registers", of_processor(&P::mutable_registers)},
        {"special registers", of_processor(&P::mutable_special_registers)},
        {"extended controls", of_processor(&P::mutable_extended_controls)},
        {"debug registers", of_processor(&P::mutable_debug_registers)},
        {"local APIC", of_processor(&P::mutable_local_apic)},
        {"events", of_processor(&P::mutable_events)},
        {"CPUID", of_processor(&P::mutable_cpuid)},
        {"MSRs", of_processor(&P::mutable_msrs)},
        {"clock", [](proto::MachineState& message) { return message.mutable_clock(); }},
        {"interrupt controller",
         [](proto::MachineState& message) { return message.mutable_chips(2); }},
        {"serial port", [](proto::MachineState& message) { return message.mutable_serial(); }},
    };
}

TEST(MachineState, structure_with_a_byte_less_or_more_is_refused_by_name) {
    for (const SizedField& field : sized_fields()) {
        expect_refused([&](auto& message) { field.bytes(message)->pop_back(); }, field.name);
        expect_refused([&](auto& message) { field.bytes(message)->push_back('\0'); }, field.name);
    }
}

TEST(MachineState, structure_that_is_missing_is_refused_by_name) {
    for (const SizedField& field : sized_fields()) {
        if (field.name != "CPUID" && field.name != "MSRs") {  // lists, which may be empty
            expect_refused([&](auto& message) { field.bytes(message)->clear(); }, field.name);
        }
    }
}

TEST(MachineState, extended_registers_too_small_or_too_large_are_refused) {
    expect_refused(
        [](auto& message) { message.mutable_processors(0)->mutable_xsave()->resize(4095); },
        "xsave");
    expect_refused(
        [](auto& message) {
            message.mutable_processors(0)->mutable_xsave()->resize(64 * 1024 + 1);
        },
        "xsave");
}

TEST(MachineState, lists_longer_than_a_processor_has_are_refused) {
    expect_refused(
        [](auto& message) {
            message.mutable_processors(0)->mutable_cpuid()->resize(257 * sizeof(kvm_cpuid_entry2));
        },
        "CPUID");
    expect_refused(
        [](auto& message) {
            message.mutable_processors(0)->mutable_msrs()->resize(2049 * sizeof(kvm_msr_entry));
        },
        "MSRs");
}

TEST(MachineState, no_processors_and_too_many_are_refused) {
    expect_refused([](auto& message) { message.clear_processors(); }, "0 processors");
    expect_refused(
        [](auto& message) {
            while (message.processors_size() <= static_cast<int>(layout::kMaxVcpus)) {
                *message.add_processors() = message.processors(0);
            }
        },
        "9 processors");
}

TEST(MachineState, memory_that_no_machine_has_is_refused) {
    for (const uint64_t bytes : {uint64_t{0}, layout::kMinMemory - layout::kPageSize,
                                 layout::kMinMemory + 1, ~uint64_t{0}}) {
        expect_refused([bytes](auto& message) { message.set_memory_bytes(bytes); },
                       std::to_string(bytes) + " bytes of memory");
    }
}

TEST(MachineState, other_number_of_interrupt_controllers_is_refused) {
    expect_refused([](auto& message) { message.mutable_chips()->RemoveLast(); },
                   "2 interrupt controllers");
    expect_refused([](auto& message) { message.add_chips(message.chips(0)); },
                   "4 interrupt controllers");
}

TEST(MachineState, more_devices_than_there_is_room_for_are_refused) {
    expect_refused(
        [](auto& message) {
            while (message.disks_size() <= static_cast<int>(layout::kMaxDevices)) {
                message.add_disks();
            }
        },
        "more devices");
    expect_refused(
        [](auto& message) {
            while (message.transports_size() <= static_cast<int>(layout::kMaxDevices)) {
                message.add_transports();
            }
        },
        "more devices");
}

TEST(MachineState, device_with_too_many_queues_is_refused) {
    expect_refused(
        [](auto& message) {
            while (message.transports(3).queues_size() < 9) {
                message.mutable_transports(3)->add_queues();
            }
        },
        "9 queues");
}

TEST(MachineState, numbers_wider_than_a_queue_has_are_refused) {
    const auto queue = [](auto& message) {
        return message.mutable_transports(0)->mutable_queues(0);
    };
    expect_refused([&](auto& message) { queue(message)->set_size(65536); }, "a queue's size");
    expect_refused([&](auto& message) { queue(message)->set_next_available(65536); },
                   "a queue's index");
    expect_refused([&](auto& message) { queue(message)->set_next_used(1U << 31); },
                   "a queue's index");
    expect_refused([&](auto& message) { queue(message)->set_signalled_used(65536); },
                   "a queue's index");
    expect_refused([](auto& message) { message.mutable_streams()->set_event_index_seen(65536); },
                   "the event queue's index");
}

TEST(MachineState, disk_id_longer_than_virtio_has_is_refused) {
    expect_refused([](auto& message) { message.mutable_disks(1)->set_id(std::string(21, 'd')); },
                   "20 bytes");
}

}  // namespace
}  // namespace anchorhold::vmm
