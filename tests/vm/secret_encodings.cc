// A secret in all its clothes.
#include <algorithm>

#include "vm/secret_search.h"

namespace anchorhold::vm_test {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

uint8_t byte_of(char c) {
    return static_cast<uint8_t>(c);
}

std::string hexadecimal(std::string_view secret, std::string_view digits,
                        std::string_view before = {}) {
    std::string text;
    for (const char c : secret) {
        text += before;
        text += digits[byte_of(c) >> 4U];
        text += digits[byte_of(c) & 15U];
    }
    return text;
}

std::string percent_encoded(std::string_view secret, std::string_view digits) {
    std::string text;
    for (const char c : secret) {
        const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                                (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                                c == '~';
        text += unreserved ? std::string(1, c) : hexadecimal({&c, 1}, digits, "%");
    }
    return text;
}

// RFC 4648 §4 to §6 of the secret with `before` unknown bytes in front of it and more behind: the
// digits that are made of the secret's bits alone.
std::string digits_within(std::string_view secret, size_t before, std::string_view alphabet) {
    const size_t width = alphabet.size() == 64 ? 6 : 5;
    const size_t first_bit = before * 8;
    const size_t end_bit = first_bit + secret.size() * 8;
    std::string text;
    for (size_t digit = (first_bit + width - 1) / width; (digit + 1) * width <= end_bit; ++digit) {
        size_t value = 0;
        for (size_t bit = digit * width; bit < (digit + 1) * width; ++bit) {
            const size_t at = bit - first_bit;
            value = value * 2 + ((byte_of(secret[at / 8]) >> (7 - at % 8)) & 1U);
        }
        text += alphabet[value];
    }
    return text;
}

std::string utf16(std::string_view secret, const char* order) {
    std::string text;
    for (const char c : secret) {
        text += order[0] == 'l' ? std::string{c, '\0'} : std::string{'\0', c};
    }
    return text;
}

}  // namespace

std::vector<Needle> encodings_of(std::string_view secret) {
    std::vector<Needle> all = {
        {"plain", std::string(secret)},
        {"reversed", std::string(secret.rbegin(), secret.rend())},
        {"hex", hexadecimal(secret, "0123456789abcdef")},
        {"HEX", hexadecimal(secret, "0123456789ABCDEF")},
        {"%hex", hexadecimal(secret, "0123456789abcdef", "%")},
        {"%HEX", hexadecimal(secret, "0123456789ABCDEF", "%")},
        {"url", percent_encoded(secret, "0123456789ABCDEF")},
        {"url, lower", percent_encoded(secret, "0123456789abcdef")},
        {"utf-16le", utf16(secret, "le")},
        {"utf-16be", utf16(secret, "be")},
        {"first half", std::string(secret.substr(0, secret.size() / 2))},
        {"second half", std::string(secret.substr(secret.size() / 2))},
    };
    for (size_t before = 0; before < 5; ++before) {
        const std::string at = " at " + std::to_string(before);
        all.push_back({"base32" + at, digits_within(secret, before, kBase32)});
        if (before < 3) {
            all.push_back({"base64" + at, digits_within(secret, before, kBase64)});
            all.push_back({"base64url" + at, digits_within(secret, before, kBase64Url)});
        }
    }
    std::vector<Needle> different;
    for (Needle& needle : all) {
        const bool known =
            std::any_of(different.begin(), different.end(),
                        [&](const Needle& other) { return other.bytes == needle.bytes; });
        if (!known) {
            different.push_back(std::move(needle));
        }
    }
    return different;
}

}  // namespace anchorhold::vm_test
