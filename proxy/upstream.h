// The connection towards the outside that belongs to one stream of the guest.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <vector>

#include "policy/decision.h"
#include "proxy/connection.h"
#include "proxy/duplex.h"
#include "proxy/window.h"

namespace anchorhold::proxy {

struct Connected {
    std::unique_ptr<Duplex> stream;  // null: not connected, and why
    std::string alpn;                // what the upstream chose, or empty
    policy::Reason reason = policy::Reason::unavailable;
    std::string detail;
};

// Dials by name through the dialer and, for HTTPS, makes and verifies TLS. Notes the address in the
// connection.
asio::awaitable<Connected> connect_upstream(Window& window, Connection& connection,
                                            std::vector<std::string> alpn);

}  // namespace anchorhold::proxy
