// A WebSocket connection after its handshake, both directions read frame by frame (RFC 6455 §5).
#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/duplex.h"
#include "proxy/exchange.h"
#include "proxy/websocket/message_filter.h"

namespace anchorhold::proxy::websocket {

struct Limits {
    uint64_t max_message = uint64_t{1} << 40;  // bytes of one message's payload
};

struct End {
    std::optional<Denial> denied;  // by a filter; its connection was closed with 1008
    std::string error;             // what broke it off; empty after an orderly close
    uint64_t to_upstream = 0;      // bytes on the wire of each direction's frames
    uint64_t to_guest = 0;
};

// Passes frames until both sides have closed, one breaks the rules, or a filter denies. A breach by
// one side is answered with a close frame of its own to both, and the connections end. The caller
// keeps both streams and the filters alive until it returns; cancelling either stream ends it.
// `guest_leftover` and `upstream_leftover` were read with the heads.
asio::awaitable<End> relay_websocket(Duplex& guest, Duplex& upstream, std::string guest_leftover,
                                     std::string upstream_leftover, Filters filters,
                                     Limits limits = {});

}  // namespace anchorhold::proxy::websocket
