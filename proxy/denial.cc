// The client's own words decide the form of the answer.
#include "proxy/denial.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace anchorhold::proxy {
namespace {

using policy::Reason;

unsigned status_of(Reason reason) {
    switch (reason) {
        case Reason::malformed:
        case Reason::bad_name:
        case Reason::bad_target:
        case Reason::body_unreadable:
            return 400;
        case Reason::body_too_large:
            return 413;
        case Reason::host_mismatch:
            return 421;
        case Reason::limit:
            return 429;
        case Reason::unreachable:
        case Reason::upstream_untrusted:
        case Reason::forbidden_address:
            return 502;
        case Reason::unavailable:
            return 503;
        default:
            return 403;
    }
}

std::string sentence(const DenialText& text) {
    std::string line =
        fmt::format("{} {}: denied ({})", text.method, text.url, policy::reason_word(text.reason));
    if (!text.detail.empty()) {
        line += fmt::format(": {}", text.detail);
    }
    if (!text.rule.empty()) {
        line += fmt::format(" by {} ({})", text.rule, text.origin);
    }
    return line;
}

std::string advice(const DenialText& text) {
    switch (text.reason) {
        case Reason::no_rule:
            return "Ask the person who runs this sandbox to add a policy that allows it; "
                   "`anchorhold run --learn FILE` writes a draft.";
        case Reason::guardrail:
        case Reason::limit:
            return "A guardrail stands above every grant; only its owner changes it.";
        case Reason::stray_placeholder:
        case Reason::foreign_credential:
        case Reason::unbound_credential:
            return "Credentials are put in at the host: send the placeholder from the environment, "
                   "only where its binding names it, and no other credential.";
        default:
            return "";
    }
}

bool is_grpc(const RequestHead& head) {
    const Field* type = find_field(head.fields, "content-type");
    return type != nullptr && type->value.starts_with("application/grpc");
}

bool is_git(const RequestHead& head) {
    const Field* agent = find_field(head.fields, "user-agent");
    return agent != nullptr && agent->value.starts_with("git/");
}

// grpc-message (the gRPC protocol over HTTP/2, "Responses"): printable ASCII, the rest
// percent-encoded.
std::string grpc_message(std::string_view text) {
    std::string encoded;
    for (const char byte : text) {
        if (byte >= 0x20 && byte < 0x7f && byte != '%') {
            encoded += byte;
        } else {
            encoded += fmt::format("%{:02X}", static_cast<unsigned char>(byte));
        }
    }
    return encoded;
}

}  // namespace

Denial make_denial(const DenialText& text, const RequestHead& head) {
    Denial denial;
    denial.reason = text.reason;
    denial.status = status_of(text.reason);
    const std::string line = sentence(text);
    if (is_grpc(head)) {
        constexpr const char* kPermissionDenied = "7";
        denial.status = 200;
        denial.content_type = "application/grpc";
        denial.fields = {{"grpc-status", kPermissionDenied}, {"grpc-message", grpc_message(line)}};
        return denial;
    }
    if (is_git(head)) {
        denial.content_type = "text/plain; charset=utf-8";
        denial.body = "anchorhold: " + line + "\n";
        return denial;
    }
    const nlohmann::ordered_json answer = {
        {"error",
         {{"type", "anchorhold_denied"},
          {"reason", std::string(policy::reason_word(text.reason))},
          {"message", line},
          {"method", std::string(text.method)},
          {"url", std::string(text.url)},
          {"rule", std::string(text.rule)},
          {"origin", std::string(text.origin)},
          {"sandbox", std::string(text.sandbox)},
          {"advice", advice(text)}}}};
    denial.content_type = "application/json";
    denial.body =
        answer.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    return denial;
}

}  // namespace anchorhold::proxy
