// How a policy's choices are spelled, in documents as in what is printed of them.
#include "policy/print.h"

namespace anchorhold::policy {

std::string_view protocol_word(proto::Protocol protocol) {
    switch (protocol) {
        case proto::HTTPS:
            return "https";
        case proto::HTTP:
            return "http";
        case proto::TLS:
            return "tls";
        case proto::TCP:
            return "tcp";
        default:
            return "unknown";
    }
}

std::string_view effect_word(proto::Rule::Effect effect) {
    switch (effect) {
        case proto::Rule::ALLOW:
            return "allow";
        case proto::Rule::DENY:
            return "deny";
        default:
            return "ask";
    }
}

}  // namespace anchorhold::policy
