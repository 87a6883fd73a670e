// How many frames that cost more to answer than to send a peer may send.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace anchorhold::proxy::http2 {

// A bucket of tokens: `burst` of them at first, `per_second` regained.
class FloodMeter {
  public:
    FloodMeter(const Clock& clock, uint32_t burst, uint32_t per_second)
        : clock_(clock), burst_(burst), per_second_(per_second), left_(burst) {}

    // False once the peer has sent too many. The clock is read only when the bucket is empty.
    [[nodiscard]] bool take();

  private:
    const Clock& clock_;
    uint32_t burst_;
    uint32_t per_second_;
    uint32_t left_;
    TimePoint filled_ = clock_.now();
};

}  // namespace anchorhold::proxy::http2
