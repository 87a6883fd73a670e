// Each encoding in a few lines, into memory that is wiped where it may hold a secret.
#include "proxy/credentials/encodings.h"

#include <algorithm>
#include <cstdint>

namespace anchorhold::proxy {

namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kLower = "0123456789abcdef";
constexpr std::string_view kUpper = "0123456789ABCDEF";

uint32_t value_of(char byte) {
    return static_cast<uint8_t>(byte);
}

std::string_view digits_of(HexCase letters) {
    return letters == HexCase::lower ? kLower : kUpper;
}

void append_utf8(std::string& out, uint32_t code) {
    const auto add = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
        add(code);
    } else if (code < 0x800) {
        add(0xc0 | (code >> 6));
        add(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        add(0xe0 | (code >> 12));
        add(0x80 | ((code >> 6) & 0x3f));
        add(0x80 | (code & 0x3f));
    } else {
        add(0xf0 | (code >> 18));
        add(0x80 | ((code >> 12) & 0x3f));
        add(0x80 | ((code >> 6) & 0x3f));
        add(0x80 | (code & 0x3f));
    }
}

// "\uXXXX" at the start of `text`.
std::optional<uint32_t> unicode_escape(std::string_view text) {
    if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') {
        return std::nullopt;
    }
    uint32_t code = 0;
    for (size_t i = 2; i < 6; ++i) {
        const int digit = hex_digit(text[i]);
        if (digit < 0) {
            return std::nullopt;
        }
        code = code * 16 + static_cast<uint32_t>(digit);
    }
    return code;
}

constexpr std::string_view kEscapes = "\"\\/bfnrt";
constexpr std::string_view kEscaped = "\"\\/\b\f\n\r\t";

}  // namespace

bool is_unreserved(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

SecretString base64_encode(std::string_view bytes, Base64 alphabet) {
    const std::string_view letters = alphabet == Base64::standard ? kStandard : kUrl;
    SecretString out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const size_t count = std::min<size_t>(3, bytes.size() - i);
        uint32_t group = 0;
        for (size_t k = 0; k < 3; ++k) {
            group = (group << 8) | (k < count ? value_of(bytes[i + k]) : 0);
        }
        for (size_t k = 0; k < 4; ++k) {
            if (k <= count) {
                out.push_back(letters[(group >> (18 - 6 * k)) & 63]);
            } else if (alphabet == Base64::standard) {
                out.push_back('=');
            }
        }
    }
    return out;
}

SecretString base64_core(std::string_view bytes, size_t alignment, Base64 alphabet) {
    SecretString shifted;
    shifted.resize(alignment);
    shifted.append(bytes);
    const SecretString encoded = base64_encode(shifted.view(), alphabet);
    const size_t skip = alignment == 0 ? 0 : alignment + 1;
    const size_t whole = shifted.size() * 8 / 6;
    return SecretString(whole <= skip ? std::string_view{}
                                      : encoded.view().substr(skip, whole - skip));
}

std::optional<std::string> base64_decode(std::string_view text) {
    const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    if (padding != 0 && text.size() % 4 != 0) {
        return std::nullopt;
    }
    text.remove_suffix(padding);
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    std::string out;
    uint32_t bits = 0;
    unsigned count = 0;
    for (const char letter : text) {
        const size_t value = kStandard.find(letter);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6) | static_cast<uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>((bits >> count) & 0xff));
        }
    }
    if ((bits & ((1U << count) - 1)) != 0) {
        return std::nullopt;  // two texts would mean the same bytes
    }
    return out;
}

SecretString hex_encode(std::string_view bytes, HexCase letters) {
    const std::string_view digits = digits_of(letters);
    SecretString out;
    out.reserve(bytes.size() * 2);
    for (const char byte : bytes) {
        out.push_back(digits[value_of(byte) >> 4]);
        out.push_back(digits[value_of(byte) & 15]);
    }
    return out;
}

SecretString percent_encode(std::string_view bytes, std::string_view kept, HexCase letters) {
    const std::string_view digits = digits_of(letters);
    SecretString out;
    for (const char byte : bytes) {
        if (is_unreserved(byte) || kept.find(byte) != std::string_view::npos) {
            out.push_back(byte);
        } else {
            out.push_back('%');
            out.push_back(digits[value_of(byte) >> 4]);
            out.push_back(digits[value_of(byte) & 15]);
        }
    }
    return out;
}

std::string percent_decode(std::string_view text, Plus plus) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
            hex_digit(text[i + 2]) >= 0) {
            out.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
            i += 2;
        } else {
            out.push_back(text[i] == '+' && plus == Plus::space ? ' ' : text[i]);
        }
    }
    return out;
}

SecretString json_escape(std::string_view text) {
    SecretString out;
    for (const char byte : text) {
        const size_t known = kEscaped.find(byte);
        if (known != std::string_view::npos && byte != '/') {
            out.push_back('\\');
            out.push_back(kEscapes[known]);
        } else if (value_of(byte) < 0x20) {
            out.append("\\u00");
            out.push_back(kLower[value_of(byte) >> 4]);
            out.push_back(kLower[value_of(byte) & 15]);
        } else {
            out.push_back(byte);
        }
    }
    return out;
}

std::string json_unescape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out.push_back(text[i]);
            continue;
        }
        if (const size_t known = kEscapes.find(text[i + 1]); known != std::string_view::npos) {
            out.push_back(kEscaped[known]);
            ++i;
            continue;
        }
        auto code = unicode_escape(text.substr(i));
        if (!code) {
            out.push_back(text[i]);
            continue;
        }
        i += 5;
        if (*code >= 0xd800 && *code < 0xdc00) {
            const auto low = unicode_escape(text.substr(i + 1));
            if (low && *low >= 0xdc00 && *low < 0xe000) {
                code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
                i += 6;
            }
        }
        append_utf8(out, *code);
    }
    return out;
}

}  // namespace anchorhold::proxy
