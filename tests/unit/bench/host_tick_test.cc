#include "bench/host_tick.h"

#include <gtest/gtest.h>

#include "supervisor/timeline.h"

namespace anchorhold::bench {
namespace {

TEST(HostTick, period_is_one_of_the_kernels_choices) {
    const uint64_t hertz = 1'000'000'000 / tick_period_ns();
    EXPECT_TRUE(hertz == 100 || hertz == 250 || hertz == 300 || hertz == 1000) << hertz;
}

TEST(HostTick, delays_of_a_series_cover_one_period_evenly) {
    constexpr uint64_t kPeriod = 4'000'000;
    constexpr uint32_t kCount = 21;
    const uint64_t now = 123'456'789'012;
    for (uint32_t index = 0; index < kCount; ++index) {
        const uint64_t delay = delay_to_phase(now, kPeriod, index, kCount);
        EXPECT_LE(delay, kPeriod);
        EXPECT_EQ((now + delay) % kPeriod, kPeriod * index / kCount);
    }
}

TEST(HostTick, round_beyond_the_count_starts_over) {
    EXPECT_EQ(delay_to_phase(1000, 100, 4, 4), delay_to_phase(1000, 100, 0, 4));
}

TEST(HostTick, wait_ends_at_or_after_the_phase) {
    const uint64_t period = tick_period_ns();
    const uint64_t begin = supervisor::monotonic_ns();
    wait_until_phase(period, 1, 2);
    EXPECT_GE(supervisor::monotonic_ns(), begin);
}

}  // namespace
}  // namespace anchorhold::bench
