// Guest TSC to host time.
#include "supervisor/timeline.h"

#include <x86intrin.h>

#include <ctime>

namespace anchorhold::supervisor {

uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

void Timeline::take(const proto::Started& started) {
    vmm_main = started.main_ns();
    configured = started.configured_ns();
    created = started.created_ns();
    loaded = started.loaded_ns();
    running = started.run_ns();
    create_vm = started.create_vm_ns();
    host_tsc = started.host_tsc();
    host_tsc_at = started.run_ns();
    guest_tsc_offset = started.guest_tsc_offset();
    tsc_khz = started.tsc_khz();
}

void Timeline::take(const proto::Prepared& prepared) {
    vmm_main = prepared.main_ns();
    created = prepared.prepared_ns();
    create_vm = prepared.create_vm_ns();
}

void Timeline::take(const proto::Restored& times) {
    configured = times.received_ns();
    mapped = times.mapped_ns();
    populated = times.populated_ns();
    restored = times.state_ns();
    prefaulted = times.prefaulted_ns();
    running = times.run_ns();
    host_tsc = times.host_tsc();
    host_tsc_at = times.clock_ns();
    guest_tsc_offset = times.guest_tsc_offset();
    tsc_khz = times.tsc_khz();
}

uint64_t Timeline::stand_still() {
    if (tsc_khz == 0) {
        return 0;
    }
    const uint64_t now = __rdtsc();
    const uint64_t ticks = now - host_tsc;
    host_tsc = now;
    host_tsc_at = monotonic_ns();
    guest_tsc_offset -= ticks;
    return ticks;
}

uint64_t Timeline::from_guest_tsc(uint64_t guest_tsc) const {
    if (tsc_khz == 0 || guest_tsc == 0) {
        return 0;
    }
    // Both differences are modulo 2^64; the product needs 128 bits after some minutes.
    const uint64_t ticks = guest_tsc - guest_tsc_offset - host_tsc;
    if (ticks >= uint64_t{1} << 63) {
        return 0;  // before the guest's first instruction: not a time, whatever the guest says
    }
    __extension__ using Wide = unsigned __int128;
    return host_tsc_at + static_cast<uint64_t>(static_cast<Wide>(ticks) * 1'000'000U / tsc_khz);
}

}  // namespace anchorhold::supervisor
