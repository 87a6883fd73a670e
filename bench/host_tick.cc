// No sleep: it would end at a timer interrupt, and the phase with it.
#include "bench/host_tick.h"

#include <ctime>

#include "supervisor/timeline.h"

namespace anchorhold::bench {

uint64_t tick_period_ns() {
    timespec resolution{};
    ::clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
    return static_cast<uint64_t>(resolution.tv_sec) * 1'000'000'000U +
           static_cast<uint64_t>(resolution.tv_nsec);
}

uint64_t delay_to_phase(uint64_t now, uint64_t period, uint32_t index, uint32_t count) {
    const uint64_t wanted = period * (index % count) / count;
    const uint64_t current = now % period;
    return wanted >= current ? wanted - current : period - current + wanted;
}

void wait_until_phase(uint64_t period, uint32_t index, uint32_t count) {
    const uint64_t now = supervisor::monotonic_ns();
    const uint64_t end = now + delay_to_phase(now, period, index, count);
    while (supervisor::monotonic_ns() < end) {
    }
}

}  // namespace anchorhold::bench
