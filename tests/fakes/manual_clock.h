// Time that stands still until a test turns the hands.
#pragma once

#include "base/clock.h"

namespace anchorhold::fakes {

class ManualClock final : public Clock {
  public:
    [[nodiscard]] TimePoint now() const override { return now_; }
    void advance(Duration by) { now_ += by; }

  private:
    TimePoint now_{std::chrono::hours(1)};
};

}  // namespace anchorhold::fakes
