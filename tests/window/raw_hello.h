// A ClientHello made by hand (RFC 8446 §4.1.2): whatever a guest may send first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anchorhold::window_test {

// Big-endian, `width` bytes.
inline std::string number(size_t value, size_t width) {
    std::string bytes;
    for (size_t i = width; i-- > 0;) {
        bytes += static_cast<char>(value >> (8 * i) & 0xff);
    }
    return bytes;
}
// With its length before it (RFC 8446 §3.4).
inline std::string vector_of(std::string_view bytes, size_t width) {
    return number(bytes.size(), width) + std::string(bytes);
}
// RFC 6066 §3
inline std::string server_name(std::string_view name, char type = 0) {
    return vector_of(std::string(1, type) + vector_of(name, 2), 2);
}

struct RawHello {
    std::vector<std::pair<uint16_t, std::string>> extensions;

    RawHello& with(uint16_t type, std::string body) {
        extensions.emplace_back(type, std::move(body));
        return *this;
    }
    RawHello& with_name(std::string_view name) { return with(0, server_name(name)); }

    [[nodiscard]] std::string message() const {
        std::string all;
        for (const auto& [type, body] : extensions) {
            all += number(type, 2) + vector_of(body, 2);
        }
        const std::string hello = "\x03\x03" + std::string(32, 'r') + vector_of("", 1) +
                                  vector_of("\x13\x01", 2) + vector_of(std::string(1, '\0'), 1) +
                                  vector_of(all, 2);
        return "\x01" + vector_of(hello, 3);
    }
    // In records of at most `most` bytes (RFC 8446 §5.1).
    [[nodiscard]] std::string records(size_t most = 16384) const {
        const std::string whole = message();
        std::string bytes;
        for (size_t at = 0; at < whole.size(); at += most) {
            bytes += "\x16\x03\x01" + vector_of(whole.substr(at, most), 2);
        }
        return bytes;
    }
};

}  // namespace anchorhold::window_test
