// The guest's whole network: one loopback device to which every address in the world is local.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace anchorhold::guest_init {

// What loopback is called beside 127.0.0.1, in network order: the source of what the agent sends to
// other addresses. A resolver that sees no other address than 127.0.0.1 believes in a host without
// IPv4 (getaddrinfo's AI_ADDRCONFIG); and a connection from an address to itself could meet itself.
inline constexpr uint8_t kOwnAddress[4] = {198, 18, 0, 1};

// Brings `lo` up, gives it kOwnAddress, and makes 0.0.0.0/0 and ::/0 local to it ("AnyIP"), so that
// connections to any address arrive at this host's own sockets. What is there already is no error.
// Needs CAP_NET_ADMIN in the network namespace of the caller.
Status make_every_address_local();

}  // namespace anchorhold::guest_init
