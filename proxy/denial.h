// How a refusal looks to the program that asked: JSON, a line of text for git, a status for gRPC.
#pragma once

#include <string>
#include <string_view>

#include "policy/decision.h"
#include "proxy/exchange.h"
#include "proxy/head.h"

namespace anchorhold::proxy {

struct DenialText {
    policy::Reason reason = policy::Reason::no_rule;
    std::string_view rule;    // id, or empty
    std::string_view origin;  // "github-read.yaml:12:5", or empty
    std::string_view detail;
    std::string_view method;
    std::string_view url;  // as the guest wrote it
    std::string_view sandbox;
};

// The status is 403 for what policy refuses, 421 for host_mismatch, 400 for what is malformed, 413
// for bodies, 429 for limits, 502 and 503 for upstreams and the window itself.
Denial make_denial(const DenialText& text, const RequestHead& head);

}  // namespace anchorhold::proxy
