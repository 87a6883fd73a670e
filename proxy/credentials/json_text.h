// Values inside a JSON text (RFC 8259) by their place, so that one can be replaced and every other
// byte stays.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::proxy {

// Decoded reference tokens of a JSON pointer (RFC 6901 §3); "/a/b~1c" is {"a", "b/c"}.
using JsonPath = std::vector<std::string>;

// An error for what is no pointer, or the pointer to the whole document.
Result<JsonPath> parse_json_pointer(std::string_view pointer);

struct JsonString {
    size_t begin = 0;  // of the text inside the quotes, still escaped
    size_t end = 0;
};

// Reads the whole text and calls `visit` for each string value (not for keys), in order, with its
// path (array positions in decimal). Errors: not JSON, a key twice in one object, over 64 levels, a
// byte order mark.
Status visit_json_strings(std::string_view text,
                          const std::function<void(const JsonPath&, JsonString)>& visit);

}  // namespace anchorhold::proxy
