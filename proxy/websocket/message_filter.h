// What looks into WebSocket messages on their way through the window: the same scrubbing, scanning
// and counting that bodies get.
#pragma once

#include <optional>
#include <string>

namespace anchorhold::proxy {
struct Denial;  // proxy/exchange.h, which includes this file
}

namespace anchorhold::proxy::websocket {

// Which piece of a message this is.
enum class Piece {
    more,  // others of the same message follow
    last,  // the message ends with it; nothing may be held back
};

// One direction's. Belongs to the thread of its relay. A denial ends the connection.
class MessageFilter {
  public:
    virtual ~MessageFilter() = default;

    // A piece of a text or binary message's payload, unmasked; changed in place: it may grow, and
    // but for the last piece be held back until the next. Pieces are at most 64 KiB and end
    // anywhere, in the middle of a character too.
    virtual std::optional<Denial> payload(std::string& piece, Piece which) = 0;
    // The whole payload of a ping or pong, or the reason of a close, at most 125 bytes; these come
    // between the pieces of a message. What is longer afterwards is cut off.
    virtual std::optional<Denial> control(std::string& payload) = 0;
};

// Lives as long as the exchange that gave it.
struct Filters {
    MessageFilter* to_upstream = nullptr;
    MessageFilter* to_guest = nullptr;
};

}  // namespace anchorhold::proxy::websocket
