// Requests and answers without their HTTP version's syntax: what policy, credentials and audit see.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::proxy {

// Names are lower case (RFC 9113 §8.2); order and repetition are kept.
struct Field {
    std::string name;
    std::string value;
    bool secret = false;  // the value holds a credential: never indexed by HPACK (RFC 7541 §7.1.3),
                          // never logged
};

using Fields = std::vector<Field>;

// The first field of that lower-case name, or null.
inline Field* find_field(Fields& fields, std::string_view name) {
    const auto found = std::ranges::find(fields, name, &Field::name);
    return found == fields.end() ? nullptr : &*found;
}
inline const Field* find_field(const Fields& fields, std::string_view name) {
    const auto found = std::ranges::find(fields, name, &Field::name);
    return found == fields.end() ? nullptr : &*found;
}

struct RequestHead {
    std::string method;
    std::string authority;  // Host or :authority as sent
    std::string target;     // origin-form path and query, as sent; after admission, as forwarded
    std::string protocol;   // the extended CONNECT's :protocol (RFC 8441), or the token of Upgrade
    Fields fields;          // without Host, framing and hop-by-hop fields
};

struct ResponseHead {
    unsigned status = 0;
    Fields fields;  // without framing and hop-by-hop fields
};

}  // namespace anchorhold::proxy
