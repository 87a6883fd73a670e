// JSON that every reader takes the same way (RFC 8259, RFC 7493): for bodies that decide.
#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

#include "base/result.h"

namespace anchorhold::policy {

struct JsonBounds {
    size_t bytes = size_t{1} << 20;
    size_t depth = 64;
    size_t values = 200'000;
};

// Refused: a duplicate key, a byte order mark, invalid UTF-8, anything after the value, and what is
// beyond the bounds. Keys that differ in case only are two keys.
Result<nlohmann::json> parse_strict_json(std::string_view text, const JsonBounds& bounds = {});

// The media type is application/json, without a character set other than UTF-8 (RFC 9110 §8.3.1).
[[nodiscard]] bool is_json_content_type(std::string_view content_type);

}  // namespace anchorhold::policy
