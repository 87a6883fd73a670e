// Keys and values of a query or a form body, and segments of a path, by their place in the text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::proxy {

struct TextRange {
    size_t begin = 0;
    size_t end = 0;
};

struct FormField {
    std::string key;    // decoded
    std::string value;  // decoded
    TextRange raw;      // the value in the text, still encoded; empty where there is no '='
};

// application/x-www-form-urlencoded (WHATWG URL §5.1): '+' is a space, broken escapes stay. Ranges
// count from the start of `text` plus `offset`. The same for a query, where '+' may mean itself: a
// placeholder has none.
[[nodiscard]] std::vector<FormField> parse_form(std::string_view text, size_t offset = 0);

struct TargetParts {
    std::vector<TextRange> segments;  // of the path, between slashes, still encoded
    TextRange query;                  // after '?', empty without
};

// Of a target in the form policy/target.h forwards ("/a/b?c=d").
[[nodiscard]] TargetParts split_target(std::string_view target);

}  // namespace anchorhold::proxy
