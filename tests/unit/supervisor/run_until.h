// Turning a loop until something is so, at most for a while.
#pragma once

#include "base/event_loop.h"

namespace anchorhold::supervisor {

// False when it never became so: a deadline for broken code, never a wait.
template <typename Condition>
[[nodiscard]] bool run_until(EventLoop& loop, Condition condition) {
    const TimePoint deadline = steady_clock().now() + std::chrono::seconds(30);
    while (!condition()) {
        if (steady_clock().now() > deadline || !loop.run_once(std::chrono::milliseconds(5))) {
            return false;
        }
    }
    return true;
}

}  // namespace anchorhold::supervisor
