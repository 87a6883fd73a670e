// The ranges of RFC 3629 §4, one byte at a time.
#include "proxy/websocket/utf8.h"

#include <cstring>

namespace anchorhold::proxy::websocket {

bool Utf8Checker::feed(std::string_view bytes) {
    size_t at = 0;
    while (valid_ && at < bytes.size()) {
        if (missing_ == 0) {
            uint64_t piece = 0;
            while (at + sizeof piece <= bytes.size()) {
                std::memcpy(&piece, bytes.data() + at, sizeof piece);
                if ((piece & 0x8080808080808080) != 0) {
                    break;
                }
                at += sizeof piece;
            }
            if (at == bytes.size()) {
                break;
            }
        }
        const auto byte = static_cast<uint8_t>(bytes[at++]);
        if (missing_ > 0) {
            valid_ = byte >= lowest_ && byte <= highest_;
            --missing_;
            lowest_ = 0x80;
            highest_ = 0xbf;
        } else if (byte >= 0x80) {
            valid_ = byte >= 0xc2 && byte <= 0xf4;
            missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
            lowest_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
            highest_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
        }
    }
    return valid_;
}

}  // namespace anchorhold::proxy::websocket
