// A stream from the guest, from its StreamOpen to its end.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/fd.h"
#include "proxy/window.h"

namespace anchorhold::proxy {

// Reads the claim, tells TLS, HTTP and raw TCP apart, decides and relays. Everything that goes
// wrong ends the stream with a reset and stands in the record.
asio::awaitable<void> serve_stream(Window& window, OwnFd socket);

}  // namespace anchorhold::proxy
