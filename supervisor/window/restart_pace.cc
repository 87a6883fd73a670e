// Deaths within the last ten seconds, each beyond the fifth ten milliseconds.
#include "supervisor/window/restart_pace.h"

#include <algorithm>

namespace anchorhold::supervisor {

Duration RestartPace::after_death() {
    constexpr size_t kMostRemembered = kFree + kMost / kStep;
    const TimePoint now = clock_.now();
    deaths_.push_back(now);
    while (deaths_.front() + kMemory <= now || deaths_.size() > kMostRemembered) {
        deaths_.pop_front();
    }
    const size_t beyond = deaths_.size() - std::min(deaths_.size(), kFree);
    return kStep * static_cast<Duration::rep>(beyond);
}

}  // namespace anchorhold::supervisor
