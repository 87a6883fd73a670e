// How soon something that died may live again: at once as a rule, ever later while it keeps dying,
// never never.
#pragma once

#include <deque>

#include "base/clock.h"

namespace anchorhold::supervisor {

// Belongs to one thread.
class RestartPace {
  public:
    static constexpr Duration kMemory = std::chrono::seconds(10);
    static constexpr size_t kFree = 5;  // deaths within kMemory that cost no wait
    static constexpr Duration kStep = std::chrono::milliseconds(10);  // for each one beyond
    static constexpr Duration kMost = std::chrono::milliseconds(200);

    explicit RestartPace(const Clock& clock) : clock_(clock) {}

    // One more death: how long to wait before the next life.
    Duration after_death();

    // Deaths that are remembered.
    [[nodiscard]] size_t deaths() const { return deaths_.size(); }

  private:
    const Clock& clock_;
    std::deque<TimePoint> deaths_;  // within kMemory, as many as make a difference
};

}  // namespace anchorhold::supervisor
