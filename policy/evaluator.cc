// One look-up finds every rule that names a host (policy/rule_index.h); guardrails are asked first.
#include "policy/evaluator.h"

#include <algorithm>

#include "base/check.h"
#include "policy/binding.h"
#include "policy/rule_index.h"
#include "policy/rule_match.h"

namespace anchorhold::policy {
namespace {

bool is_spliced(proto::Protocol protocol) {
    return protocol == proto::TLS || protocol == proto::TCP;
}

// The later stage tells a person more.
Mismatch further(Mismatch a, Mismatch b) {
    return std::max(a, b);
}

Reason reason_of(Mismatch furthest) {
    switch (furthest) {
        case Mismatch::request_too_large:
        case Mismatch::body_too_large:
            return Reason::body_too_large;
        case Mismatch::body_unreadable:
            return Reason::body_unreadable;
        default:
            return Reason::no_rule;
    }
}

std::string_view detail_of(Mismatch furthest) {
    switch (furthest) {
        case Mismatch::host:
            return "no rule names this host";
        case Mismatch::port:
            return "rules name this host, but not with this port";
        case Mismatch::protocol:
            return "rules name this host and port, but not with this protocol";
        case Mismatch::method:
            return "rules name this host, but not with this method";
        case Mismatch::path:
            return "rules name this host, but not with this path";
        case Mismatch::query:
            return "a rule names this path, but not with this query";
        case Mismatch::request_too_large:
            return "the body is longer than the rule's max_request_bytes";
        case Mismatch::body_too_large:
            return "a rule looks into the body, and it is longer than 1 MiB";
        case Mismatch::body_unreadable:
            return "a rule looks into the body, and cannot read it as what it is about";
        case Mismatch::graphql:
            return "a rule names this path, but not every GraphQL operation and field in the body";
        case Mismatch::json_rpc:
            return "a rule names this path, but not every JSON-RPC call in the body";
        case Mismatch::none:
            break;
    }
    return "";
}

// Adds what one rule that allows or asks gives to a decision.
void grant(const CompiledRule& compiled, const Bucket& bucket, uint16_t port, Decision& decision) {
    const proto::Rule& rule = compiled.rule();
    const auto widen = [first = decision.rule == nullptr](uint64_t& bound, uint64_t other) {
        if (first) {
            bound = other;
        } else {
            bound = bound == 0 || other == 0 ? 0 : std::max(bound, other);
        }
    };
    widen(decision.max_request_bytes, rule.max_request_bytes());
    widen(decision.max_response_bytes, rule.max_response_bytes());
    if (decision.rule == nullptr) {
        decision.rule = &rule;
    }
    if (bucket.bindings.empty() || rule.protocol() != proto::HTTPS) {
        return;
    }
    const auto here = bucket.bindings.find(port);
    if (here == bucket.bindings.end()) {
        return;
    }
    for (const proto::Binding* binding : here->second) {
        const bool own = binding->origin().document() == rule.origin().document();
        if (own && std::ranges::none_of(decision.bindings, [&](const proto::Binding* other) {
                return other == binding || does_the_same(*other, *binding);
            })) {
            decision.bindings.push_back(binding);
        }
    }
}

Considered considered_as(const CompiledRule& rule, Mismatch found) {
    return Considered{.rule = &rule.rule(),
                      .matched = found == Mismatch::none,
                      .why = std::string(mismatch_text(found))};
}

}  // namespace

struct Evaluator::Index : RuleIndex {};

Evaluator::Evaluator(std::unique_ptr<Index> index) : index_(std::move(index)) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

Result<Evaluator> Evaluator::create(proto::ResolvedPolicy policy) {
    auto index = std::make_unique<Index>();
    ANCHORHOLD_TRY(index->fill(std::move(policy)));
    return Evaluator(std::move(index));
}

std::optional<proto::Protocol> Evaluator::protocol_of(const Endpoint& endpoint) const {
    const Bucket& bucket = index_->bucket_of(endpoint);
    for (const auto* rules : {&bucket.allowing, &bucket.asking}) {
        std::optional<proto::Protocol> found;
        for (const CompiledRule* rule : *rules) {
            if (rule->has_port(endpoint.port) && index_->applies(*rule, endpoint)) {
                const proto::Protocol protocol = rule->rule().protocol();
                found = found ? std::min(*found, protocol) : protocol;
            }
        }
        if (found) {
            return found;
        }
    }
    return std::nullopt;
}

Decision Evaluator::evaluate_connection(const Endpoint& endpoint, proto::Protocol protocol) const {
    ANCHORHOLD_CHECK(is_spliced(protocol));
    const Bucket& bucket = index_->bucket_of(endpoint);
    Decision decision;
    for (const CompiledRule* rule : bucket.denying) {
        if (rule->has_port(endpoint.port) && rule->has_protocol(protocol) &&
            index_->applies(*rule, endpoint)) {
            decision.rule = &rule->rule();
            decision.reason = Reason::guardrail;
            decision.detail = rule->is_about_connections()
                                  ? rule->rule().description()
                                  : "a guardrail looks into requests, and this connection is not "
                                    "opened; write protocol: https in the grant";
            return decision;
        }
    }
    Mismatch furthest = Mismatch::host;
    for (const auto* rules : {&bucket.allowing, &bucket.asking}) {
        for (const CompiledRule* rule : *rules) {
            if (!index_->applies(*rule, endpoint)) {
                continue;
            }
            if (!rule->has_port(endpoint.port)) {
                furthest = further(furthest, Mismatch::port);
            } else if (!rule->has_protocol(protocol)) {
                furthest = further(furthest, Mismatch::protocol);
            } else {
                grant(*rule, bucket, endpoint.port, decision);
            }
        }
        if (decision.rule != nullptr) {
            decision.verdict = rules == &bucket.allowing ? Verdict::allow : Verdict::ask;
            decision.reason = Reason::none;
            return decision;
        }
    }
    decision.detail = detail_of(furthest);
    return decision;
}

size_t Evaluator::body_needed(const Request& request) const {
    const Bucket& bucket = index_->bucket_of(request.endpoint);
    const auto wants_body = [&](const CompiledRule* rule) {
        return rule->looks_into_body() && index_->applies(*rule, request.endpoint) &&
               rule->match_head(request) == Mismatch::none;
    };
    const bool needed = std::ranges::any_of(bucket.denying, wants_body) ||
                        std::ranges::any_of(bucket.allowing, wants_body) ||
                        std::ranges::any_of(bucket.asking, wants_body);
    return needed ? kMaxReadBody : 0;
}

Decision Evaluator::evaluate(const Request& request) const {
    ANCHORHOLD_CHECK(request.target != nullptr && !is_spliced(request.protocol));
    const Bucket& bucket = index_->bucket_of(request.endpoint);
    BodyReader body(request);
    const auto match = [&](const CompiledRule* rule) {
        if (!index_->applies(*rule, request.endpoint)) {
            return Mismatch::host;
        }
        const Mismatch head = rule->match_head(request);
        return head == Mismatch::none ? rule->match_body(request, body) : head;
    };
    Decision decision;
    for (const CompiledRule* rule : bucket.denying) {
        if (match(rule) == Mismatch::none) {
            decision.rule = &rule->rule();
            decision.reason = Reason::guardrail;
            decision.detail = rule->rule().description();
            return decision;
        }
    }
    Mismatch furthest = Mismatch::host;
    for (const auto* rules : {&bucket.allowing, &bucket.asking}) {
        for (const CompiledRule* rule : *rules) {
            const Mismatch found = match(rule);
            if (found == Mismatch::none) {
                grant(*rule, bucket, request.endpoint.port, decision);
            } else {
                furthest = further(furthest, found);
            }
        }
        if (decision.rule != nullptr) {
            decision.verdict = rules == &bucket.allowing ? Verdict::allow : Verdict::ask;
            decision.reason = Reason::none;
            return decision;
        }
    }
    decision.reason = reason_of(furthest);
    decision.detail = detail_of(furthest);
    return decision;
}

std::span<const proto::Binding* const> Evaluator::bindings_of(const Endpoint& endpoint) const {
    if (endpoint.host.empty()) {
        return {};
    }
    const Bucket& bucket = index_->bucket_of(endpoint);
    const auto here = bucket.bindings.find(endpoint.port);
    return here == bucket.bindings.end() ? std::span<const proto::Binding* const>() : here->second;
}

std::vector<Considered> Evaluator::explain(const Request& request) const {
    std::vector<Considered> considered;
    BodyReader body(request);
    for (const CompiledRule& rule : index_->rules()) {
        Mismatch found = Mismatch::host;
        if (rule.names(request.endpoint)) {
            found = rule.match_head(request);
            found = found == Mismatch::none ? rule.match_body(request, body) : found;
        }
        considered.push_back(considered_as(rule, found));
    }
    return considered;
}

std::vector<Considered> Evaluator::explain_connection(const Endpoint& endpoint,
                                                      proto::Protocol protocol) const {
    std::vector<Considered> considered;
    for (const CompiledRule& rule : index_->rules()) {
        Mismatch found = Mismatch::none;
        if (!rule.names(endpoint)) {
            found = Mismatch::host;
        } else if (!rule.has_port(endpoint.port)) {
            found = Mismatch::port;
        } else if (!rule.has_protocol(protocol)) {
            found = Mismatch::protocol;
        }
        considered.push_back(considered_as(rule, found));
    }
    return considered;
}

std::string Evaluator::origin_text(const proto::Origin& origin) const {
    return policy::origin_text(index_->policy(), origin);
}

const proto::ResolvedPolicy& Evaluator::policy() const {
    return index_->policy();
}

}  // namespace anchorhold::policy
