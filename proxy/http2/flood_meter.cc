// Tokens are regained only when there are none left, so that the usual case is one decrement.
#include "proxy/http2/flood_meter.h"

#include <algorithm>

namespace anchorhold::proxy::http2 {

bool FloodMeter::take() {
    if (left_ == 0) {
        const TimePoint now = clock_.now();
        const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - filled_);
        const auto gained = std::min<int64_t>(waited.count(), 3'600'000) * per_second_ / 1000;
        left_ = static_cast<uint32_t>(std::min<int64_t>(gained, burst_));
        if (left_ == 0) {
            return false;
        }
        filled_ = now;
    }
    --left_;
    return true;
}

}  // namespace anchorhold::proxy::http2
