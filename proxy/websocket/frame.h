// The head of a WebSocket frame, RFC 6455 §5.2: read strictly, written minimally.
//
//    0 1 2 3 4 5 6 7 8 9 A B C D E F
//   |F|R|R|R|opcode |M| length (7)  |  127: 64 bits of length follow, 126: 16 bits; then 4 bytes of
//   |I|S|S|S|  (4)  |A|             |  mask where M is set
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace anchorhold::proxy::websocket {

enum class Opcode : uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10
};

// Status codes of a close, RFC 6455 §7.4.1.
enum class CloseCode : uint16_t {
    going_away = 1001,
    protocol_error = 1002,
    not_utf8 = 1007,
    policy = 1008,
    too_big = 1009,
};

// Who sent a frame: clients mask, servers do not (§5.1).
enum class Sender { client, server };

constexpr size_t kMaxFrameHead = 14;
constexpr size_t kMaxControlPayload = 125;  // §5.5

using Mask = std::array<uint8_t, 4>;

struct FrameHead {
    Opcode opcode = Opcode::continuation;
    bool final = false;
    uint64_t length = 0;
    Mask mask{};      // zeros from a server
    size_t size = 0;  // of the head itself

    [[nodiscard]] bool control() const { return static_cast<uint8_t>(opcode) >= 8; }
};

struct HeadResult {
    enum class Kind { head, more, breach };
    Kind kind = Kind::more;
    FrameHead head;
    const char* why = "";  // of a breach
};

// Reads the head at the start of `bytes`; `more` when it is not all there yet. What a breach of
// §5.2, §5.1 or §5.5 can already be seen from is reported without waiting for the rest.
HeadResult read_head(std::string_view bytes, Sender sender);

// Appends a head for `length` bytes of payload; a client's carries `mask`.
void append_head(std::string& out, Opcode opcode, bool final, uint64_t length, Sender sender,
                 const Mask& mask);

// Masks or unmasks `bytes`, which lie `offset` bytes into their frame's payload (§5.3).
void apply_mask(std::string& bytes, size_t from, const Mask& mask, uint64_t offset);

// Four bytes nobody can foresee (§5.3), from getrandom(2).
Mask fresh_mask();

// Whether a peer may send this code in a close (§7.4.1, §7.4.2).
bool sendable_close_code(uint16_t code);

}  // namespace anchorhold::proxy::websocket
