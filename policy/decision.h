// What policy says of one request or connection, and why.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proto/policy.pb.h"

namespace anchorhold::policy {

enum class Verdict { allow, deny, ask };

// One word each in the audit, in answers and in tests (`reason_word`). The first five are policy's,
// the rest the window's own.
enum class Reason {
    none,
    no_rule,             // default deny
    guardrail,           // a guardrail's deny rule
    limit,               // a guardrail's or a rule's limit
    body_unreadable,     // a rule looks into the body and it is not what it says
    body_too_large,      // beyond what a rule allows or may be looked into
    malformed,           // not the protocol it claims to be; smuggling
    bad_name,            // a name that is not strict
    bad_target,          // a path that could be read in two ways
    host_mismatch,       // Host, :authority, SNI and claimed name differ (421)
    no_server_name,      // TLS without SNI to a name
    early_data,          // TLS 0-RTT
    method_override,     // X-HTTP-Method-Override and its like
    upgrade_refused,     // other than websocket; h2c
    connect_refused,     // CONNECT inside the window
    foreign_credential,  // a credential that is not ours on a host with a binding
    stray_placeholder,   // a placeholder where it is not bound
    unbound_credential,  // a bound placeholder in a request its own document does not allow
    minting,             // an endpoint that mints credentials
    signing,             // an AWS request that cannot be re-signed
    forbidden_address,   // the name leads to an address policy does not name
    unreachable,         // no such name, refused, timed out
    upstream_untrusted,  // the upstream's certificate does not verify
    asked_denied,        // a person said no
    asked_timeout,       // nobody answered
    unavailable,         // the window itself cannot serve now: audit, dialer, memory
};

std::string_view reason_word(Reason reason);  // "no_rule"

struct Decision {
    Verdict verdict = Verdict::deny;
    Reason reason = Reason::no_rule;
    const proto::Rule* rule = nullptr;  // that decided; null: no rule did. Lives with the Evaluator
    std::string detail;                 // one line for a person, may be empty
    // Bindings of this destination that the allowing rule's document may use. Live with the
    // Evaluator.
    std::vector<const proto::Binding*> bindings;
    // The most that any rule that allows or asks for this request gives its bodies; 0: no bound.
    uint64_t max_request_bytes = 0;
    uint64_t max_response_bytes = 0;
};

}  // namespace anchorhold::policy
