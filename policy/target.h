// A request target in the one form that is matched and forwarded (RFC 9110 §7.1, RFC 3986 §3.3).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace anchorhold::policy {

struct Target {
    std::vector<std::string> segments;  // percent-decoded; "%2F" stays a slash inside its segment
    bool folder = false;                // the path ends in a slash
    // Keys and values percent-decoded, '+' left alone; a key without '=' has an empty value.
    std::vector<std::pair<std::string, std::string>> query;
    bool asterisk = false;  // "*" of OPTIONS

    // What goes upstream: in the path unreserved characters plain, what RFC 3986 §3.3 does not
    // allow encoded, the rest as the guest wrote it; the query as the guest wrote it.
    std::string forwarded;
};

// Parses an origin-form target ("/a/b?c=d"), or "*". Refused, with the reason: absolute and
// authority form, dot segments in any encoding and with parameters ("..;x"), empty segments other
// than a last one, control characters, a backslash, broken percent-encoding, encoded NUL, a path
// that is not UTF-8, a fragment, more than 8 KiB.
Result<Target> parse_target(std::string_view target);

}  // namespace anchorhold::policy
