// A machine state with something in every field, as large as a small machine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "vmm/snapshot/machine_state.h"

namespace anchorhold::vmm {

// Bytes that differ from place to place; padding gets some too, since it is copied as it is.
template <typename T>
void fill(T& structure, uint8_t seed) {
    std::array<uint8_t, sizeof(T)> bytes{};
    for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<uint8_t>(seed + i * 7);
    }
    std::memcpy(static_cast<void*>(&structure), bytes.data(), bytes.size());
}

inline kvm::VcpuState sample_processor(uint8_t seed) {
    kvm::VcpuState state;
    fill(state.mp_state, seed);
    fill(state.registers, static_cast<uint8_t>(seed + 1));
    fill(state.special_registers, static_cast<uint8_t>(seed + 2));
    state.xsave.assign(4096, std::byte{seed});
    fill(state.extended_controls, static_cast<uint8_t>(seed + 3));
    fill(state.debug_registers, static_cast<uint8_t>(seed + 4));
    fill(state.local_apic, static_cast<uint8_t>(seed + 5));
    fill(state.events, static_cast<uint8_t>(seed + 6));
    state.tsc = 0x1122334455667788;
    state.tsc_khz = 2'500'000;
    state.cpuid.resize(3);
    for (kvm_cpuid_entry2& leaf : state.cpuid) {
        fill(leaf, static_cast<uint8_t>(seed + 7));
    }
    state.msrs = {{0x10, 0, 1}, {0xc0000080, 0, 0xd01}};
    return state;
}

inline MachineState sample_state() {
    MachineState state;
    state.memory_bytes = uint64_t{128} << 20;
    state.processors = {sample_processor(1), sample_processor(100)};
    fill(state.vm.clock, 11);
    for (kvm_irqchip& chip : state.vm.chips) {
        fill(chip, 12);
    }
    state.devices.disks = {{"root", DiskIdentity::Access::kReadOnly, 4096},
                           {"disk", DiskIdentity::Access::kReadWrite, uint64_t{4} << 30}};
    for (uint32_t i = 0; i < 5; ++i) {
        virtio::MmioTransportState transport;
        transport.driver_features = 0x130000000 + i;
        transport.device_features_select = 1;
        transport.driver_features_select = 2;
        transport.queue_select = 3;
        transport.status = 15;
        transport.interrupt_status = 1;
        transport.config_generation = 9;
        for (uint16_t queue = 0; queue < 3; ++queue) {
            transport.queues.push_back({{128, true, 0x10000, 0x20000, 0x30000},
                                        static_cast<uint16_t>(65535 - queue),
                                        static_cast<uint16_t>(7 + queue),
                                        static_cast<uint16_t>(6 + queue)});
        }
        state.devices.transports.push_back(transport);
    }
    state.devices.streams = {.had_streams = true,
                             .next_host_port = 0x80000123,
                             .reset_pending = true,
                             .receive_gated = true,
                             .event_index_seen = 513};
    state.devices.balloon = {1000, 999};
    fill(state.devices.serial, 13);
    return state;
}

}  // namespace anchorhold::vmm
