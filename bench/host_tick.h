// The host's timer tick: starts that all begin at the same phase of it measure the phase, not the
// start.
#pragma once

#include <cstdint>

namespace anchorhold::bench {

// Length of one tick in nanoseconds, 1/CONFIG_HZ: the resolution of the kernel's coarse clocks.
[[nodiscard]] uint64_t tick_period_ns();

// How long after `now` (CLOCK_MONOTONIC) a start numbered `index` of `count` begins, so that the
// starts cover one tick evenly: at most one period. Nanoseconds. `count` and `period` are not 0.
[[nodiscard]] uint64_t delay_to_phase(uint64_t now, uint64_t period, uint32_t index,
                                      uint32_t count);

// Returns that much later, having watched the clock: a sleep would end at a tick.
void wait_until_phase(uint64_t period, uint32_t index, uint32_t count);

}  // namespace anchorhold::bench
