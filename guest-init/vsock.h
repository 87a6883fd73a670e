// vsock as init uses it: two listeners that only the host may reach, and one short connection to
// the host.
#pragma once

#include <cstdint>
#include <functional>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

// Listens on `port` of every CID; nonblocking.
[[nodiscard]] Result<OwnFd> listen_vsock(uint32_t port);

// Connects to the host's `port`, waiting.
[[nodiscard]] Result<OwnFd> connect_to_host(uint32_t port);

// Accepts what waits and gives each connection to `handler`; connections that do not come from the
// host are closed.
Status accept_from_host(EventLoop& loop, int listener, std::function<void(OwnFd)> handler);

}  // namespace anchorhold::guest_init
