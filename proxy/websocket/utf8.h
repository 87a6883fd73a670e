// UTF-8 as it arrives: RFC 3629, no overlong forms, no surrogates, nothing past U+10FFFF.
#pragma once

#include <cstdint>
#include <string_view>

namespace anchorhold::proxy::websocket {

class Utf8Checker {
  public:
    // False once a byte cannot continue a valid text; it stays false.
    bool feed(std::string_view bytes);
    // The text may end here: no character is unfinished.
    [[nodiscard]] bool complete() const { return valid_ && missing_ == 0; }
    void restart() { *this = Utf8Checker(); }

  private:
    bool valid_ = true;
    uint8_t missing_ = 0;    // continuation bytes still to come
    uint8_t lowest_ = 0x80;  // what the next of them may be
    uint8_t highest_ = 0xbf;
};

}  // namespace anchorhold::proxy::websocket
