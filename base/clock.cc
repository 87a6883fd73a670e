// The host's clock.
#include "base/clock.h"

namespace anchorhold {

TimePoint SteadyClock::now() const {
    return std::chrono::steady_clock::now();
}

const Clock& steady_clock() {
    static const SteadyClock clock;
    return clock;
}

}  // namespace anchorhold
