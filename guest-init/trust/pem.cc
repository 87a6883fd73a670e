// Base64 both ways.
#include "guest-init/trust/pem.h"

#include <array>
#include <cstdint>
#include <optional>

namespace anchorhold::guest_init {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr uint8_t kNoDigit = 255;
constexpr std::array<uint8_t, 256> kDigits = [] {
    std::array<uint8_t, 256> digits{};
    digits.fill(kNoDigit);
    for (size_t i = 0; i < kAlphabet.size(); ++i) {
        digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
    }
    return digits;
}();

std::optional<std::string> decode(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    uint32_t group = 0;
    unsigned digits = 0;
    unsigned padding = 0;
    for (const char c : text) {
        if (c == '\n' || c == '\r' || c == ' ' || c == '\t') {
            continue;
        }
        const uint8_t digit = kDigits[static_cast<uint8_t>(c)];
        if (c == '=') {
            ++padding;
        } else if (digit == kNoDigit || padding > 0) {
            return std::nullopt;
        }
        group = (group << 6) | (c == '=' ? 0U : digit);
        if (++digits == 4) {
            if (padding > 2) {
                return std::nullopt;
            }
            for (unsigned i = 0; i < 3 - padding; ++i) {
                bytes.push_back(static_cast<char>(group >> (16 - 8 * i)));
            }
            group = 0;
            digits = 0;
        }
    }
    return digits == 0 && !bytes.empty() ? std::optional(bytes) : std::nullopt;
}

}  // namespace

std::vector<std::string> certificates_of(std::string_view pem) {
    std::vector<std::string> result;
    for (size_t at = pem.find(kBegin); at != std::string_view::npos; at = pem.find(kBegin, at)) {
        at += kBegin.size();
        const size_t end = pem.find(kEnd, at);
        if (end == std::string_view::npos) {
            break;
        }
        if (auto der = decode(pem.substr(at, end - at))) {
            result.push_back(*std::move(der));
        }
    }
    return result;
}

std::string base64(std::string_view bytes) {
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const std::string_view group = bytes.substr(i, 3);
        uint32_t value = 0;
        for (size_t k = 0; k < 3; ++k) {
            value = (value << 8) | (k < group.size() ? static_cast<uint8_t>(group[k]) : 0U);
        }
        for (size_t k = 0; k < 4; ++k) {
            text.push_back(k <= group.size() ? kAlphabet[(value >> (18 - 6 * k)) & 63] : '=');
        }
    }
    return text;
}

}  // namespace anchorhold::guest_init
