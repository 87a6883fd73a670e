// Bytes passed on unread, both ways.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <string>

#include "proxy/connection.h"
#include "proxy/duplex.h"

namespace anchorhold::proxy {

// Until both directions have ended; half-closes are passed on, bytes counted in the connection.
// Returns what broke it off, or nothing.
asio::awaitable<std::string> splice(Duplex& guest, Duplex& upstream, Connection& connection);

}  // namespace anchorhold::proxy
