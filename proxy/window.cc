// Time and numbers for events.
#include "proxy/window.h"

#include <ctime>

namespace anchorhold::proxy {

proto::AuditEvent Window::event(uint64_t stream, uint64_t request) const {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    proto::AuditEvent event;
    event.set_time_ns(static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 +
                      static_cast<uint64_t>(now.tv_nsec));
    event.set_stream(stream);
    event.set_request(request);
    return event;
}

}  // namespace anchorhold::proxy
