// Bytes passed on unread, both ways.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>

#include "proxy/connection.h"
#include "proxy/duplex.h"
#include "proxy/window.h"

namespace anchorhold::proxy {

// Until both directions have ended; half-closes are passed on, bytes counted in the connection.
// Returns what broke it off, or nothing.
// A limit that is reached ends it.
asio::awaitable<std::string> splice(Window& window, Duplex& guest, Duplex& upstream,
                                    Connection& connection);

}  // namespace anchorhold::proxy
