// From what was denied to the least policy that would have allowed it: for a person to read and
// cut, never applied by itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proto/policy.pb.h"

namespace anchorhold::policy {

// One denied request or connection, as it was asked for.
struct DeniedRequest {
    proto::Protocol protocol = proto::HTTPS;
    std::string method;  // empty for TLS and TCP
    std::string host;    // a strict name or an address's text
    uint16_t port = 0;
    std::string target;  // path and query as the guest wrote them; empty for TLS and TCP
};

// The text of a grant document named `name`. Requests are grouped by host, port and protocol, then
// by method and query; nothing is generalised. What cannot be named (a target that is refused, a
// name that is not strict) is a comment.
[[nodiscard]] std::string learn_policy(std::string_view name,
                                       std::span<const DeniedRequest> denied);

}  // namespace anchorhold::policy
