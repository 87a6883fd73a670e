// Percent-encoding (RFC 3986 §2.1) and UTF-8 (RFC 3629), for targets and the patterns over them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::policy {

// RFC 3986 §2.3.
[[nodiscard]] bool is_unreserved(char c);

// The byte of the "%XX" that `text` begins with; nothing when it does not.
[[nodiscard]] std::optional<char> percent_decoded_byte(std::string_view text);

// Decodes once; a '%' without two hexadecimal digits is an error.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);
// The same, but leaves a broken '%' as it is.
[[nodiscard]] std::string percent_decode_leniently(std::string_view text);

void append_percent_encoded(char byte, std::string& text);

// No overlong forms, no surrogates, nothing beyond U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace anchorhold::policy
