// Frame heads and masks.
#include "proxy/websocket/frame.h"

#include <sys/random.h>

#include <cstring>

#include "base/check.h"

namespace anchorhold::proxy::websocket {
namespace {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;

HeadResult breach(const char* why) {
    return {HeadResult::Kind::breach, {}, why};
}

bool known(uint8_t opcode) {
    return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

uint64_t big_endian(std::string_view bytes) {
    uint64_t value = 0;
    for (const char c : bytes) {
        value = value << 8 | static_cast<uint8_t>(c);
    }
    return value;
}

void append_big_endian(std::string& out, uint64_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) {
        out.push_back(static_cast<char>(value >> (8 * i)));
    }
}

}  // namespace

HeadResult read_head(std::string_view bytes, Sender sender) {
    if (bytes.empty()) {
        return {};
    }
    const auto first = static_cast<uint8_t>(bytes[0]);
    if ((first & kReserved) != 0) {
        return breach("a reserved bit is set and no extension was agreed on");
    }
    FrameHead head;
    if (!known(first & 0x0f)) {
        return breach("an opcode that is reserved");
    }
    head.opcode = static_cast<Opcode>(first & 0x0f);
    head.final = (first & kFinal) != 0;
    if (head.control() && !head.final) {
        return breach("a control frame in fragments");
    }
    if (bytes.size() < 2) {
        return {};
    }
    const auto second = static_cast<uint8_t>(bytes[1]);
    if (((second & kMasked) != 0) != (sender == Sender::client)) {
        return breach(sender == Sender::client ? "a client's frame without a mask"
                                               : "a server's frame with a mask");
    }
    const unsigned short_length = second & 0x7f;
    if (head.control() && short_length > kMaxControlPayload) {
        return breach("a control frame of more than 125 bytes");
    }
    const size_t length_bytes = short_length == 127 ? 8 : short_length == 126 ? 2 : 0;
    const size_t mask_bytes = sender == Sender::client ? sizeof(Mask) : 0;
    head.size = 2 + length_bytes + mask_bytes;
    if (bytes.size() < 2 + length_bytes) {
        return {};
    }
    head.length = length_bytes == 0 ? short_length : big_endian(bytes.substr(2, length_bytes));
    if ((length_bytes == 2 && head.length < 126) || (length_bytes == 8 && head.length < 0x10000)) {
        return breach("a length written longer than it needs to be");
    }
    if (head.length >> 63 != 0) {
        return breach("a length with its highest bit set");
    }
    if (bytes.size() < head.size) {
        return {};
    }
    if (mask_bytes != 0) {
        std::memcpy(head.mask.data(), bytes.data() + 2 + length_bytes, sizeof(Mask));
    }
    return {HeadResult::Kind::head, head};
}

void append_head(std::string& out, Opcode opcode, bool final, uint64_t length, Sender sender,
                 const Mask& mask) {
    out.push_back(static_cast<char>(static_cast<uint8_t>(opcode) | (final ? kFinal : 0)));
    const uint8_t masked = sender == Sender::client ? kMasked : 0;
    if (length < 126) {
        out.push_back(static_cast<char>(masked | length));
    } else if (length < 0x10000) {
        out.push_back(static_cast<char>(masked | 126));
        append_big_endian(out, length, 2);
    } else {
        out.push_back(static_cast<char>(masked | 127));
        append_big_endian(out, length, 8);
    }
    if (sender == Sender::client) {
        out.append(reinterpret_cast<const char*>(mask.data()), mask.size());
    }
}

void apply_mask(std::string& bytes, size_t from, const Mask& mask, uint64_t offset) {
    Mask turned;
    for (size_t i = 0; i < turned.size(); ++i) {
        turned[i] = mask[(offset + i) % mask.size()];
    }
    uint32_t word = 0;
    std::memcpy(&word, turned.data(), sizeof word);
    const uint64_t pattern = uint64_t{word} << 32 | word;
    char* at = bytes.data() + from;
    size_t left = bytes.size() - from;
    for (; left >= sizeof pattern; at += sizeof pattern, left -= sizeof pattern) {
        uint64_t piece = 0;
        std::memcpy(&piece, at, sizeof piece);
        piece ^= pattern;
        std::memcpy(at, &piece, sizeof piece);
    }
    for (size_t i = 0; i < left; ++i) {
        at[i] = static_cast<char>(static_cast<uint8_t>(at[i]) ^ turned[i % turned.size()]);
    }
}

Mask fresh_mask() {
    Mask mask;
    // Up to 256 bytes come whole and uninterrupted once the pool is seeded (getrandom(2)).
    ANCHORHOLD_CHECK(::getrandom(mask.data(), mask.size(), 0) == static_cast<ssize_t>(mask.size()));
    return mask;
}

bool sendable_close_code(uint16_t code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

}  // namespace anchorhold::proxy::websocket
