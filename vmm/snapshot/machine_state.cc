// Structures of the kernel's are copied whole or refused; counts are bounded before anything is
// made for them.
#include "vmm/snapshot/machine_state.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <span>
#include <type_traits>

#include "proto/frame.h"
#include "proto/machine_state.pb.h"
#include "vmm/kvm/tables.h"
#include "vmm/layout.h"

namespace anchorhold::vmm {
namespace {

constexpr size_t kMaxXsave = 64 * 1024;
constexpr size_t kMaxCpuidLeaves = 256;  // KVM_MAX_CPUID_ENTRIES
constexpr size_t kMaxMsrs = 2048;
constexpr int kMaxQueues = 8;
constexpr size_t kMaxDiskId = 20;

template <typename T>
std::string bytes_of(const T& structure) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<const char*>(&structure), sizeof structure};
}

template <typename T>
std::string bytes_of(const std::vector<T>& entries) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof(T)};
}

template <typename T>
Status take(T& out, std::string_view bytes, std::string_view what) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes.size() != sizeof out) {
        return fail(
            fmt::format("machine state: {} has {} bytes, not {}", what, bytes.size(), sizeof out));
    }
    std::memcpy(&out, bytes.data(), sizeof out);
    return {};
}

template <typename T>
Status take(std::vector<T>& out, std::string_view bytes, size_t most, std::string_view what) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes.size() % sizeof(T) != 0 || bytes.size() / sizeof(T) > most) {
        return fail(fmt::format("machine state: {} has {} bytes, which is no list of up to {}",
                                what, bytes.size(), most));
    }
    out.resize(bytes.size() / sizeof(T));
    if (!bytes.empty()) {
        std::memcpy(out.data(), bytes.data(), bytes.size());
    }
    return {};
}

template <typename Narrow>
Status take_narrow(Narrow& out, uint32_t value, std::string_view what) {
    if (value > std::numeric_limits<Narrow>::max()) {
        return fail(fmt::format("machine state: {} is {}", what, value));
    }
    out = static_cast<Narrow>(value);
    return {};
}

void put(proto::ProcessorState& message, const kvm::VcpuState& state) {
    message.set_mp_state(bytes_of(state.mp_state));
    message.set_registers(bytes_of(state.registers));
    message.set_special_registers(bytes_of(state.special_registers));
    message.set_xsave(bytes_of(state.xsave));
    message.set_extended_controls(bytes_of(state.extended_controls));
    message.set_debug_registers(bytes_of(state.debug_registers));
    message.set_local_apic(bytes_of(state.local_apic));
    message.set_events(bytes_of(state.events));
    message.set_tsc(state.tsc);
    message.set_tsc_khz(state.tsc_khz);
    message.set_cpuid(bytes_of(state.cpuid));
    message.set_msrs(bytes_of(state.msrs));
}

Result<kvm::VcpuState> processor(const proto::ProcessorState& message) {
    kvm::VcpuState state;
    ANCHORHOLD_TRY(take(state.mp_state, message.mp_state(), "mp_state"));
    ANCHORHOLD_TRY(take(state.registers, message.registers(), "registers"));
    ANCHORHOLD_TRY(take(state.special_registers, message.special_registers(), "special registers"));
    ANCHORHOLD_TRY(take(state.xsave, message.xsave(), kMaxXsave, "xsave"));
    if (state.xsave.size() < sizeof(kvm::XsaveArea)) {
        return fail("machine state: xsave is shorter than its legacy region");
    }
    ANCHORHOLD_TRY(take(state.extended_controls, message.extended_controls(), "extended controls"));
    ANCHORHOLD_TRY(take(state.debug_registers, message.debug_registers(), "debug registers"));
    ANCHORHOLD_TRY(take(state.local_apic, message.local_apic(), "local APIC"));
    ANCHORHOLD_TRY(take(state.events, message.events(), "events"));
    state.tsc = message.tsc();
    state.tsc_khz = message.tsc_khz();
    ANCHORHOLD_TRY(take(state.cpuid, message.cpuid(), kMaxCpuidLeaves, "CPUID"));
    ANCHORHOLD_TRY(take(state.msrs, message.msrs(), kMaxMsrs, "MSRs"));
    return state;
}

void put(proto::TransportState& message, const virtio::MmioTransportState& state) {
    message.set_driver_features(state.driver_features);
    message.set_device_features_select(state.device_features_select);
    message.set_driver_features_select(state.driver_features_select);
    message.set_queue_select(state.queue_select);
    message.set_status(state.status);
    message.set_interrupt_status(state.interrupt_status);
    message.set_config_generation(state.config_generation);
    for (const virtio::QueueState& queue : state.queues) {
        proto::QueueState& out = *message.add_queues();
        out.set_size(queue.config.size);
        out.set_ready(queue.config.ready);
        out.set_descriptors(queue.config.descriptors);
        out.set_available(queue.config.available);
        out.set_used(queue.config.used);
        out.set_next_available(queue.next_available);
        out.set_next_used(queue.next_used);
        out.set_signalled_used(queue.signalled_used);
    }
}

Result<virtio::MmioTransportState> transport(const proto::TransportState& message) {
    if (message.queues_size() > kMaxQueues) {
        return fail(fmt::format("machine state: a device with {} queues", message.queues_size()));
    }
    virtio::MmioTransportState state;
    state.driver_features = message.driver_features();
    state.device_features_select = message.device_features_select();
    state.driver_features_select = message.driver_features_select();
    state.queue_select = message.queue_select();
    state.status = message.status();
    state.interrupt_status = message.interrupt_status();
    state.config_generation = message.config_generation();
    for (const proto::QueueState& in : message.queues()) {
        virtio::QueueState queue;
        ANCHORHOLD_TRY(take_narrow(queue.config.size, in.size(), "a queue's size"));
        queue.config.ready = in.ready();
        queue.config.descriptors = in.descriptors();
        queue.config.available = in.available();
        queue.config.used = in.used();
        ANCHORHOLD_TRY(take_narrow(queue.next_available, in.next_available(), "a queue's index"));
        ANCHORHOLD_TRY(take_narrow(queue.next_used, in.next_used(), "a queue's index"));
        ANCHORHOLD_TRY(take_narrow(queue.signalled_used, in.signalled_used(), "a queue's index"));
        state.queues.push_back(queue);
    }
    return state;
}

void put(proto::MachineState& message, const DevicesState& devices) {
    for (const DiskIdentity& disk : devices.disks) {
        proto::DiskState& out = *message.add_disks();
        out.set_id(disk.id);
        out.set_read_only(disk.access == DiskIdentity::Access::kReadOnly);
        out.set_bytes(disk.bytes);
    }
    for (const virtio::MmioTransportState& state : devices.transports) {
        put(*message.add_transports(), state);
    }
    proto::StreamsState& streams = *message.mutable_streams();
    streams.set_reset_pending(devices.streams.reset_pending);
    streams.set_receive_gated(devices.streams.receive_gated);
    streams.set_event_index_seen(devices.streams.event_index_seen);
    streams.set_had_streams(devices.streams.had_streams);
    streams.set_next_host_port(devices.streams.next_host_port);
    message.mutable_balloon()->set_target_pages(devices.balloon.target_pages);
    message.mutable_balloon()->set_actual_pages(devices.balloon.actual_pages);
    message.set_serial(bytes_of(devices.serial));
}

Result<DevicesState> devices_of(const proto::MachineState& message) {
    if (message.disks_size() > static_cast<int>(layout::kMaxDevices) ||
        message.transports_size() > static_cast<int>(layout::kMaxDevices)) {
        return fail("machine state: more devices than a machine has room for");
    }
    DevicesState devices;
    for (const proto::DiskState& in : message.disks()) {
        if (in.id().size() > kMaxDiskId) {
            return fail("machine state: a disk's id is longer than 20 bytes");
        }
        devices.disks.push_back(
            {in.id(),
             in.read_only() ? DiskIdentity::Access::kReadOnly : DiskIdentity::Access::kReadWrite,
             in.bytes()});
    }
    for (const proto::TransportState& in : message.transports()) {
        devices.transports.push_back(ANCHORHOLD_TRY(transport(in)));
    }
    const proto::StreamsState& streams = message.streams();
    devices.streams.reset_pending = streams.reset_pending();
    devices.streams.receive_gated = streams.receive_gated();
    ANCHORHOLD_TRY(take_narrow(devices.streams.event_index_seen, streams.event_index_seen(),
                               "the event queue's index"));
    devices.streams.had_streams = streams.had_streams();
    devices.streams.next_host_port = streams.next_host_port();
    devices.balloon = {message.balloon().target_pages(), message.balloon().actual_pages()};
    ANCHORHOLD_TRY(take(devices.serial, message.serial(), "serial port"));
    return devices;
}

}  // namespace

std::string encode(const MachineState& state) {
    proto::MachineState message;
    message.set_version(kMachineStateVersion);
    message.set_memory_bytes(state.memory_bytes);
    for (const kvm::VcpuState& processor : state.processors) {
        put(*message.add_processors(), processor);
    }
    message.set_clock(bytes_of(state.vm.clock));
    for (const kvm_irqchip& chip : state.vm.chips) {
        message.add_chips(bytes_of(chip));
    }
    put(message, state.devices);
    return message.SerializeAsString();
}

Result<MachineState> decode_machine_state(std::string_view payload) {
    const auto message =
        ANCHORHOLD_TRY(proto::parse<proto::MachineState>(payload, "machine state"));
    if (message.version() != kMachineStateVersion) {
        return fail(fmt::format("machine state: version {}, this build reads {}", message.version(),
                                kMachineStateVersion));
    }
    if (message.memory_bytes() % layout::kPageSize != 0 ||
        message.memory_bytes() < layout::kMinMemory) {
        return fail(fmt::format("machine state: {} bytes of memory", message.memory_bytes()));
    }
    if (message.processors_size() < 1 ||
        message.processors_size() > static_cast<int>(layout::kMaxVcpus)) {
        return fail(fmt::format("machine state: {} processors", message.processors_size()));
    }
    MachineState state;
    state.memory_bytes = message.memory_bytes();
    for (const proto::ProcessorState& in : message.processors()) {
        state.processors.push_back(ANCHORHOLD_TRY(processor(in)));
    }
    ANCHORHOLD_TRY(take(state.vm.clock, message.clock(), "clock"));
    if (message.chips_size() != static_cast<int>(state.vm.chips.size())) {
        return fail(fmt::format("machine state: {} interrupt controllers", message.chips_size()));
    }
    for (size_t i = 0; i < state.vm.chips.size(); ++i) {
        ANCHORHOLD_TRY(
            take(state.vm.chips[i], message.chips(static_cast<int>(i)), "an interrupt controller"));
    }
    state.devices = ANCHORHOLD_TRY(devices_of(message));
    return state;
}

}  // namespace anchorhold::vmm
