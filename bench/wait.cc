// One timer, and events in between.
#include "bench/wait.h"

#include <cerrno>

namespace anchorhold::bench {

Status wait_until(EventLoop& loop, Duration patience, const std::function<bool()>& done,
                  const bool& gone) {
    bool late = false;
    const auto deadline = loop.add_timer(patience, [&late] { late = true; });
    Status turned;
    while (turned && !late && !gone && !done()) {
        turned = loop.run_once(Duration::max());
    }
    loop.cancel_timer(deadline);
    ANCHORHOLD_TRY(turned);
    return late || gone
               ? Status(fail("what was prepared did not become ready", late ? ETIMEDOUT : 0))
               : Status();
}

}  // namespace anchorhold::bench
