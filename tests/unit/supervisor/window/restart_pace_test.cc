// Free at first, then ten milliseconds more each time, and forgiven after ten seconds.
#include "supervisor/window/restart_pace.h"

#include <gtest/gtest.h>

#include "fakes/manual_clock.h"

namespace anchorhold::supervisor {
namespace {

class RestartPaceTest : public testing::Test {
  protected:
    fakes::ManualClock clock;
    RestartPace pace{clock};
};

TEST_F(RestartPaceTest, first_deaths_cost_no_wait) {
    for (size_t i = 0; i < RestartPace::kFree; ++i) {
        EXPECT_EQ(pace.after_death(), Duration::zero());
    }
    EXPECT_EQ(pace.after_death(), RestartPace::kStep);
    EXPECT_EQ(pace.after_death(), 2 * RestartPace::kStep);
}

TEST_F(RestartPaceTest, wait_has_a_bound_and_memory_too) {
    for (int i = 0; i < 1000; ++i) {
        EXPECT_LE(pace.after_death(), RestartPace::kMost);
    }
    EXPECT_EQ(pace.after_death(), RestartPace::kMost);
    EXPECT_LE(pace.deaths(), 64U);
}

TEST_F(RestartPaceTest, old_deaths_are_forgotten) {
    for (int i = 0; i < 100; ++i) {
        pace.after_death();
    }
    clock.advance(RestartPace::kMemory);
    EXPECT_EQ(pace.after_death(), Duration::zero());
}

TEST_F(RestartPaceTest, slow_deaths_never_cost_a_wait) {
    for (int i = 0; i < 1000; ++i) {
        clock.advance(std::chrono::seconds(3));
        EXPECT_EQ(pace.after_death(), Duration::zero());
    }
}

}  // namespace
}  // namespace anchorhold::supervisor
