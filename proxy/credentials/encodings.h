// The encodings a credential meets on its way: base64, hexadecimal, percent, JSON, HTML.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/credentials/secret_string.h"

namespace anchorhold::proxy {

enum class Base64 { standard, url };  // RFC 4648 §4 with padding, §5 without
enum class HexCase { lower, upper };

[[nodiscard]] SecretString base64_encode(std::string_view bytes,
                                         Base64 alphabet = Base64::standard);
// The characters that stand for `bytes` wherever they begin `alignment` (0 to 2) bytes after a
// multiple of three, whatever stands around them: the ones shared with neighbours are left out.
[[nodiscard]] SecretString base64_core(std::string_view bytes, size_t alignment, Base64 alphabet);
// Strict RFC 4648 §4, padding optional; nullopt for anything else.
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

[[nodiscard]] SecretString hex_encode(std::string_view bytes, HexCase letters = HexCase::lower);

// RFC 3986 §2.1: all but unreserved characters and those in `kept`.
[[nodiscard]] SecretString percent_encode(std::string_view bytes, std::string_view kept = {},
                                          HexCase letters = HexCase::upper);
enum class Plus { literal, space };
// Broken escapes stay as they are.
[[nodiscard]] std::string percent_decode(std::string_view text, Plus plus = Plus::literal);

// The inside of a JSON string (RFC 8259 §7), without quotes.
[[nodiscard]] SecretString json_escape(std::string_view text);
// Decodes the inside of a JSON string; what is no escape stays as it is.
[[nodiscard]] std::string json_unescape(std::string_view text);

[[nodiscard]] bool is_unreserved(char byte);  // RFC 3986 §2.3
// 0 to 15, or -1.
[[nodiscard]] int hex_digit(char byte);

}  // namespace anchorhold::proxy
