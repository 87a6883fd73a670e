// Byte tables spelled out as comparisons.
#include "policy/percent.h"

#include <array>
#include <cstdint>

namespace anchorhold::policy {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

// The length of the well-formed sequence that `text` begins with, 0 for none (RFC 3629 §4).
size_t sequence_length(std::string_view text) {
    const auto byte = [&](size_t i) {
        return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
    };
    const auto tail = [&](size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const uint8_t first = byte(0);
    const uint8_t second = byte(1);
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return tail(1) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
        const bool overlong = first == 0xe0 && second < 0xa0;
        const bool surrogate = first == 0xed && second >= 0xa0;
        return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool overlong = first == 0xf0 && second < 0x90;
        const bool beyond = first == 0xf4 && second >= 0x90;
        return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

}  // namespace

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

std::optional<char> percent_decoded_byte(std::string_view text) {
    if (text.size() < 3 || text[0] != '%') {
        return std::nullopt;
    }
    const int high = hex_value(text[1]);
    const int low = hex_value(text[2]);
    if (high < 0 || low < 0) {
        return std::nullopt;
    }
    return static_cast<char>(high * 16 + low);
}

Result<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded.push_back(text[i]);
            continue;
        }
        const auto byte = percent_decoded_byte(text.substr(i));
        if (!byte) {
            return fail("broken percent-encoding");
        }
        decoded.push_back(*byte);
        i += 2;
    }
    return decoded;
}

std::string percent_decode_leniently(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = percent_decoded_byte(text.substr(i));
        decoded.push_back(byte.value_or(text[i]));
        i += byte ? 2 : 0;
    }
    return decoded;
}

void append_percent_encoded(char byte, std::string& text) {
    constexpr std::array<char, 17> kDigits{"0123456789ABCDEF"};
    const auto value = static_cast<uint8_t>(byte);
    text.push_back('%');
    text.push_back(kDigits[value >> 4U]);
    text.push_back(kDigits[value & 15U]);
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const size_t length = sequence_length(text);
        if (length == 0) {
            return false;
        }
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace anchorhold::policy
