// Turning an event loop until something has come about.
#pragma once

#include <functional>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/result.h"

namespace anchorhold::bench {

// Until `done`, or an error: `gone` (it cannot come about any more), or ETIMEDOUT after `patience`.
Status wait_until(EventLoop& loop, Duration patience, const std::function<bool()>& done,
                  const bool& gone);

}  // namespace anchorhold::bench
