// When a start did what, on one clock: the host's CLOCK_MONOTONIC, in nanoseconds.
#pragma once

#include <cstdint>

#include "proto/vmm_control.pb.h"

namespace anchorhold::supervisor {

struct Timeline {
    uint64_t requested = 0;     // start(), restore() or claim() was called
    uint64_t spawned = 0;       // just before the VMM's exec
    uint64_t vmm_main = 0;      // its main() began
    uint64_t configured = 0;    // it had its configuration
    uint64_t created = 0;       // VM, irqchip, vCPUs exist
    uint64_t loaded = 0;        // kernel and initrd are in guest memory
    uint64_t running = 0;       // first KVM_RUN; of a parked one: after claim()
    uint64_t init_started = 0;  // init's first statement, by the guest's TSC
    uint64_t init_ready = 0;    // init sent Ready, by the guest's TSC
    uint64_t ready = 0;         // Ready arrived here
    uint64_t exec = 0;          // just before the command's execve, by the guest's TSC
    uint64_t first_byte = 0;    // the command's first byte of output arrived here
    // Of a restored machine; zero in one that booted.
    uint64_t handed = 0;      // just before the VMM was told what to be, or to go on
    uint64_t mapped = 0;      // its memory is mapped
    uint64_t populated = 0;   // its working set is in place
    uint64_t restored = 0;    // processors and devices are what they were
    uint64_t prefaulted = 0;  // its working set is in the nested page tables
    uint64_t resumed = 0;     // init answered Resume: the agent goes on, by the guest's TSC

    uint64_t create_vm = 0;  // duration of KVM_CREATE_VM alone: waits for RCU grace periods

    // What relates the guest's TSC to the host's clock; zero until the VMM reported it.
    uint64_t host_tsc = 0;
    uint64_t host_tsc_at = 0;  // when it was read
    uint64_t guest_tsc_offset = 0;
    uint64_t tsc_khz = 0;

    void take(const proto::Started& started);
    void take(const proto::Prepared& prepared);
    void take(const proto::Restored& restored);
    // The guest has stood still since the moment that relates the two, and goes on now: by how many
    // ticks its TSC is to be set back. From here on it relates the TSC that was. 0: unknown.
    uint64_t stand_still();
    // A guest TSC value as host time; 0 when the relation is unknown or it lies before
    // the moment that relates the two.
    [[nodiscard]] uint64_t from_guest_tsc(uint64_t guest_tsc) const;
};

// CLOCK_MONOTONIC now.
[[nodiscard]] uint64_t monotonic_ns();

}  // namespace anchorhold::supervisor
