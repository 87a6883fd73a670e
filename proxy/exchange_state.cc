// The form of a request's head, and what is said about the request: to the record, to the guest.
#include "proxy/exchange_state.h"

#include <algorithm>

#include "policy/host_name.h"
#include "proxy/denial.h"

namespace anchorhold::proxy {
namespace {

// Fields by which a server may take another method than the one that was decided.
bool overrides_method(const Field& field) {
    return field.name == "x-http-method-override" || field.name == "x-http-method" ||
           field.name == "x-method-override";
}

uint16_t default_port(proto::Protocol protocol) {
    return protocol == proto::HTTP ? 80 : 443;
}

// RFC 9110 §7.2, in the one spelling that was compared.
std::string authority_text(const Connection& connection) {
    const std::string name =
        connection.address.size() == 16 ? "[" + connection.name() + "]" : connection.name();
    return connection.port == default_port(connection.protocol)
               ? name
               : name + ":" + std::to_string(connection.port);
}

}  // namespace

using policy::Reason;

Denial Exchange::State::denial(Reason reason, std::string_view detail) const {
    const std::string url = std::string(scheme(connection.protocol)) + "://" +
                            authority_text(connection) + logged_target;
    const proto::Rule* rule = decision.rule;
    return make_denial(
        {.reason = reason,
         .rule = rule != nullptr ? std::string_view(rule->id()) : "",
         .origin = rule != nullptr ? window.parts.evaluator.origin_text(rule->origin()) : "",
         .detail = detail,
         .method = head.method,
         .url = url,
         .sandbox = window.parts.sandbox},
        head);
}

void Exchange::State::check_head() {
    if (head.method == "CONNECT" && head.protocol.empty()) {
        return refuse_early(Reason::connect_refused, "CONNECT has no meaning inside the window");
    }
    if (!head.protocol.empty() && head.protocol != "websocket") {
        return refuse_early(Reason::upgrade_refused, "only an upgrade to websocket is passed");
    }
    if (std::ranges::any_of(head.fields, overrides_method)) {
        return refuse_early(Reason::method_override, "a header asks for another method");
    }
    const auto authority = policy::parse_authority(head.authority);
    if (!authority) {
        return refuse_early(Reason::bad_name, authority.error().message);
    }
    const uint16_t port =
        authority->port != 0 ? authority->port : default_port(connection.protocol);
    if (authority->host != connection.name() || port != connection.port) {
        return refuse_early(Reason::host_mismatch,
                            "the Host is not the name that was connected to");
    }
    head.authority = authority_text(connection);
    auto parsed = policy::parse_target(head.target);
    if (!parsed) {
        return refuse_early(Reason::bad_target, parsed.error().message);
    }
    target = std::move(*parsed);
    head.target = target.forwarded;
}

proto::RequestDecided Exchange::State::decided(proto::RequestDecided::Verdict verdict,
                                               Reason reason, std::string_view detail) const {
    proto::RequestDecided event;
    event.set_verdict(verdict);
    event.set_protocol(head.protocol == "websocket" ? "websocket"
                                                    : std::string(scheme(connection.protocol)));
    event.set_method(std::string(method().substr(0, 64)));
    event.set_host(connection.name());
    event.set_port(connection.port);
    event.set_target(logged_target);
    if (decision.rule != nullptr) {
        event.set_rule(decision.rule->id());
        event.set_origin(window.parts.evaluator.origin_text(decision.rule->origin()));
    }
    if (reason != Reason::none) {
        event.set_reason(std::string(policy::reason_word(reason)));
    }
    event.set_detail(std::string(detail.substr(0, 512)));
    if (credentials && reason == Reason::none) {
        for (const std::string& name : credentials->used()) {
            event.add_credentials(name);
        }
        // Not a part of the request, but of the connection that it goes over.
        const auto identity = window.parts.credentials.client_identity(
            window.parts.evaluator.bindings_of(connection.endpoint()));
        if (identity && connection.protocol == proto::HTTPS) {
            event.add_credentials(std::string(identity->name));
        }
    }
    return event;
}

uint64_t Exchange::State::record(proto::RequestDecided::Verdict verdict, Reason reason,
                                 std::string_view detail) {
    proto::AuditEvent event = window.event(connection.stream, number);
    *event.mutable_decision() = decided(verdict, reason, detail);
    return window.supervisor.record(std::move(event));
}

std::optional<Denial> Exchange::State::deny(Reason reason, std::string_view detail,
                                            proto::RequestDecided::Verdict verdict) {
    record(verdict, reason, detail);
    finished = true;
    return denial(reason, detail);
}

}  // namespace anchorhold::proxy
