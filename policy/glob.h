// Patterns over one string: `*` is any run of characters, a backslash takes the next character as
// it is.
#pragma once

#include <string>
#include <string_view>

namespace anchorhold::policy {

// What grants say is read narrowly and what guardrails say widely: where two servers could read a
// request in two ways, a grant means the one that was written and a guardrail means both.
enum class Reading {
    narrow,  // a grant's, of a path's segment: `*` does not stand for a slash; case counts
    plain,   // a grant's, of a text in which a slash is nothing special: `*` stands for anything
    wide,    // a guardrail's: `*` stands for anything; ASCII case does not count
};

[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text, Reading reading);

// Provably everything that `inner` matches, `outer` matches.
[[nodiscard]] bool glob_covers(std::string_view outer, std::string_view inner);

// Some text may match both. Never false when one does.
[[nodiscard]] bool globs_overlap(std::string_view a, std::string_view b);

// The pattern that matches this text only.
[[nodiscard]] std::string glob_literal(std::string_view text);

}  // namespace anchorhold::policy
