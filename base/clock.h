// Monotonic time as an interface, so that tests turn the hands.
#pragma once

#include <chrono>

namespace anchorhold {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
  public:
    virtual ~Clock() = default;
    // CLOCK_MONOTONIC, or a test's idea of it.
    [[nodiscard]] virtual TimePoint now() const = 0;
};

// The host's CLOCK_MONOTONIC.
class SteadyClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override;
};

// The process-wide SteadyClock (it has no state).
[[nodiscard]] const Clock& steady_clock();

}  // namespace anchorhold
