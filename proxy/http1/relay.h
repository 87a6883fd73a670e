// One guest connection that speaks HTTP/1.1, request after request, and its upstream connection.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

#include "proxy/connection.h"
#include "proxy/duplex.h"
#include "proxy/upstream.h"
#include "proxy/window.h"

namespace anchorhold::proxy::http1 {

// Serves until the guest or an error ends the connection; returns what ended it, empty for an
// orderly end. `upstream` may hold a connection that was made already, or why there is none; it is
// made again when the upstream closed it between requests. Cancelling `guest` ends it soon.
asio::awaitable<std::string> relay_http1(Window& window, Connection& connection, Duplex& guest,
                                         Connected upstream);

}  // namespace anchorhold::proxy::http1
