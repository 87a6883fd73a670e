// Names before any match: RFC 952/1123 letters, digits and hyphens, A-labels for the rest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::policy {

// The name in lower case, one trailing dot removed. Refused: empty or overlong (253, labels 63), a
// byte that is not LDH or a dot, underscores, a label that begins or ends with a hyphen, a name
// whose last label is all digits (it could be read as an IPv4 address).
Result<std::string> strict_host_name(std::string_view name);

struct Authority {
    std::string host;  // a strict name, or an address literal's canonical text without brackets
    bool literal = false;
    uint16_t port = 0;  // 0: none given
};

// `Host` or `:authority`: "example.com", "example.com:8443", "192.0.2.1", "[2001:db8::1]:443". User
// information is refused.
Result<Authority> parse_authority(std::string_view authority);

}  // namespace anchorhold::policy
