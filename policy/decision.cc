// The words of reasons.
#include "policy/decision.h"

#include "base/check.h"

namespace anchorhold::policy {

std::string_view reason_word(Reason reason) {
    switch (reason) {
        case Reason::none:
            return "none";
        case Reason::no_rule:
            return "no_rule";
        case Reason::guardrail:
            return "guardrail";
        case Reason::limit:
            return "limit";
        case Reason::body_unreadable:
            return "body_unreadable";
        case Reason::body_too_large:
            return "body_too_large";
        case Reason::malformed:
            return "malformed";
        case Reason::bad_name:
            return "bad_name";
        case Reason::bad_target:
            return "bad_target";
        case Reason::host_mismatch:
            return "host_mismatch";
        case Reason::no_server_name:
            return "no_server_name";
        case Reason::early_data:
            return "early_data";
        case Reason::method_override:
            return "method_override";
        case Reason::upgrade_refused:
            return "upgrade_refused";
        case Reason::connect_refused:
            return "connect_refused";
        case Reason::foreign_credential:
            return "foreign_credential";
        case Reason::stray_placeholder:
            return "stray_placeholder";
        case Reason::unbound_credential:
            return "unbound_credential";
        case Reason::minting:
            return "minting";
        case Reason::signing:
            return "signing";
        case Reason::forbidden_address:
            return "forbidden_address";
        case Reason::unreachable:
            return "unreachable";
        case Reason::upstream_untrusted:
            return "upstream_untrusted";
        case Reason::asked_denied:
            return "asked_denied";
        case Reason::asked_timeout:
            return "asked_timeout";
        case Reason::unavailable:
            return "unavailable";
    }
    check_failed("reason_word of a Reason");
}

}  // namespace anchorhold::policy
