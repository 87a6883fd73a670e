// Grants are read narrowly and guardrails widely (policy/glob.h); a guardrail about a body that
// cannot be read matches.
#include "policy/rule_match.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/path_pattern.h"

namespace anchorhold::policy {
namespace {

constexpr int kMaxConditions = 4096;  // hosts, ports, methods, paths, … of one rule

// Whether any (a guardrail's reading) or every one (a grant's) of `items` satisfies `accepted`.
template <typename Items, typename Accepted>
bool enough(const Items& items, Reading reading, Accepted accepted) {
    return reading == Reading::wide ? std::ranges::any_of(items, accepted)
                                    : std::ranges::all_of(items, accepted);
}

template <typename Patterns>
bool any_glob(const Patterns& patterns, std::string_view text, Reading reading) {
    return std::ranges::any_of(
        patterns, [&](const std::string& pattern) { return glob_matches(pattern, text, reading); });
}

// A value for whom '+' may be a space as in forms.
bool value_matches(const proto::QueryMatch& match, const std::string& value, Reading reading) {
    if (any_glob(match.values(), value, reading)) {
        return true;
    }
    if (reading != Reading::wide || value.find('+') == std::string::npos) {
        return false;
    }
    std::string spaced = value;
    std::ranges::replace(spaced, '+', ' ');
    return any_glob(match.values(), spaced, reading);
}

}  // namespace

std::string_view mismatch_text(Mismatch mismatch) {
    switch (mismatch) {
        case Mismatch::host:
            return "its hosts are others";
        case Mismatch::port:
            return "its ports are others";
        case Mismatch::protocol:
            return "its protocol is another";
        case Mismatch::method:
            return "its methods are others";
        case Mismatch::path:
            return "none of its paths matches";
        case Mismatch::query:
            return "the query is not what it asks for";
        case Mismatch::request_too_large:
            return "the body is longer than its max_request_bytes";
        case Mismatch::body_too_large:
            return "the body is longer than can be looked into";
        case Mismatch::body_unreadable:
            return "the body cannot be read as what it is about";
        case Mismatch::graphql:
            return "a GraphQL operation or field is not one of its";
        case Mismatch::json_rpc:
            return "a JSON-RPC method or tool is not one of its";
        case Mismatch::none:
            break;
    }
    return "";
}

Status BodyReader::encoded() const {
    const bool plain = request_.content_encoding.empty() || request_.content_encoding == "identity";
    return plain ? Status() : fail("the body has a content encoding");
}

const Result<std::vector<GraphQlOperation>>& BodyReader::graphql() {
    if (!graphql_) {
        const Status plain = encoded();
        graphql_ = plain ? read_graphql_request(request_.content_type, request_.body)
                         : tl::unexpected(plain.error());
    }
    return *graphql_;
}

const Result<std::vector<JsonRpcCall>>& BodyReader::json_rpc() {
    if (!json_rpc_) {
        const Status plain = encoded();
        json_rpc_ = plain ? read_json_rpc(request_.content_type, request_.body)
                          : tl::unexpected(plain.error());
    }
    return *json_rpc_;
}

Result<CompiledRule> CompiledRule::create(const proto::Rule& rule) {
    const auto refused = [&](std::string_view why) {
        return fail(fmt::format("rule '{}': {}", rule.id(), why));
    };
    const bool deny = rule.effect() == proto::Rule::DENY;
    if (!proto::Rule::Effect_IsValid(rule.effect()) || !proto::Protocol_IsValid(rule.protocol())) {
        return refused("an unknown effect or protocol");
    }
    if (rule.hosts().empty() || (rule.ports().empty() && !deny)) {
        return refused("no host or no port");
    }
    if (rule.any_protocol() && !deny) {
        return refused("only a guardrail is about every protocol");
    }
    if (rule.hosts_size() > kMaxConditions || rule.ports_size() > kMaxConditions ||
        rule.methods_size() > kMaxConditions || rule.paths_size() > kMaxConditions ||
        rule.query_size() > kMaxConditions) {
        return refused("too many conditions");
    }
    CompiledRule compiled;
    compiled.rule_ = &rule;
    compiled.reading_ = deny ? Reading::wide : Reading::narrow;
    compiled.text_reading_ = deny ? Reading::wide : Reading::plain;
    for (const proto::HostPattern& host : rule.hosts()) {
        if (const Status checked = check_host_pattern(host); !checked) {
            return refused(checked.error().message);
        }
        if (host.any() && rule.effect() == proto::Rule::ALLOW) {
            return refused("'*' is no host of a grant");
        }
        compiled.any_host_ = compiled.any_host_ || host.any();
        if (host.has_cidr()) {
            compiled.ranges_.push_back(ANCHORHOLD_TRY(AddressRange::parse(host.cidr())));
        }
    }
    for (const uint32_t port : rule.ports()) {
        if (port == 0 || port > 65535) {
            return refused("a port beyond 65535");
        }
        compiled.ports_.push_back(static_cast<uint16_t>(port));
    }
    const bool spliced = rule.protocol() == proto::TLS || rule.protocol() == proto::TCP;
    if (spliced && !rule.any_protocol() && !compiled.is_about_connections()) {
        return refused("methods, paths and bodies are not seen under tls and tcp");
    }
    return compiled;
}

bool CompiledRule::is_about_connections() const {
    return rule_->methods().empty() && rule_->paths().empty() && rule_->query().empty() &&
           !looks_into_body();
}

bool CompiledRule::names(const Endpoint& endpoint) const {
    if (endpoint.host.empty()) {
        return names_address(endpoint.address);
    }
    return std::ranges::any_of(rule_->hosts(), [&](const proto::HostPattern& host) {
        return host_matches(host, endpoint.host);
    });
}

bool CompiledRule::names_address(std::span<const unsigned char> address) const {
    return any_host_ || std::ranges::any_of(ranges_, [&](const AddressRange& range) {
               return reading_ == Reading::wide ? range.contains_in_any_form(address)
                                                : range.contains(address);
           });
}

bool CompiledRule::has_port(uint16_t port) const {
    return ports_.empty() || std::ranges::find(ports_, port) != ports_.end();
}

bool CompiledRule::has_protocol(proto::Protocol protocol) const {
    return rule_->any_protocol() || rule_->protocol() == protocol;
}

bool CompiledRule::has_method(std::string_view method) const {
    return rule_->methods().empty() ||
           std::ranges::any_of(rule_->methods(), [&](const std::string& wanted) {
               if (reading_ == Reading::narrow) {
                   return wanted == method;
               }
               return glob_matches(glob_literal(wanted), method, Reading::wide);
           });
}

bool CompiledRule::has_query(const proto::QueryMatch& match, const Target& target) const {
    bool present = false;
    bool some_match = false;
    bool all_match = true;
    for (const auto& [key, value] : target.query) {
        if (key != match.key()) {
            continue;
        }
        present = true;
        const bool matches = match.values().empty() || value_matches(match, value, text_reading_);
        some_match = some_match || matches;
        all_match = all_match && matches;
    }
    if (match.absent()) {
        return !present;
    }
    // Servers differ in which of repeated keys they take.
    return present && (reading_ == Reading::wide ? some_match : all_match);
}

Mismatch CompiledRule::match_head(const Request& request) const {
    if (!has_port(request.endpoint.port)) {
        return Mismatch::port;
    }
    if (!has_protocol(request.protocol)) {
        return Mismatch::protocol;
    }
    if (!has_method(request.method)) {
        return Mismatch::method;
    }
    const auto matches_path = [&](const proto::PathPattern& pattern) {
        return path_matches(pattern, *request.target, reading_);
    };
    if (!rule_->paths().empty() && std::ranges::none_of(rule_->paths(), matches_path)) {
        return Mismatch::path;
    }
    const auto matches_query = [&](const proto::QueryMatch& match) {
        return has_query(match, *request.target);
    };
    if (!std::ranges::all_of(rule_->query(), matches_query)) {
        return Mismatch::query;
    }
    return Mismatch::none;
}

Mismatch CompiledRule::match_body(const Request& request, BodyReader& body) const {
    const bool deny = reading_ == Reading::wide;
    if (!deny && rule_->max_request_bytes() != 0 &&
        request.body.size() > rule_->max_request_bytes()) {
        return Mismatch::request_too_large;
    }
    if (looks_into_body() && body.too_large()) {
        return deny ? Mismatch::none : Mismatch::body_too_large;
    }
    if (rule_->has_graphql()) {
        if (const Mismatch found = match_graphql(request, body); found != Mismatch::none) {
            return found;
        }
    }
    return rule_->has_json_rpc() ? match_json_rpc(request, body) : Mismatch::none;
}

Mismatch CompiledRule::match_graphql(const Request& request, BodyReader& body) const {
    const bool deny = reading_ == Reading::wide;
    const bool nothing_asked = request.body.empty() && request.target->query.empty();
    if (request.method != "POST" && deny && nothing_asked) {
        return Mismatch::graphql;
    }
    // Some servers read a query key of the target instead of, or merged with, the body.
    const bool in_target = std::ranges::any_of(request.target->query, [](const auto& pair) {
        return pair.first == "query" || pair.first == "extensions" || pair.first == "id";
    });
    if (request.method != "POST" || in_target || !body.graphql()) {
        return deny ? Mismatch::none : Mismatch::body_unreadable;
    }
    const proto::GraphQlMatch& match = rule_->graphql();
    const auto accepted = [&](const GraphQlOperation& operation) {
        const auto& types = match.operations();
        const bool type =
            types.empty() ||
            std::ranges::find(types, operation_type_word(operation.type)) != types.end();
        return type && (match.fields().empty() ||
                        enough(operation.fields, reading_, [&](const std::string& field) {
                            return any_glob(match.fields(), field, reading_);
                        }));
    };
    return enough(*body.graphql(), reading_, accepted) ? Mismatch::none : Mismatch::graphql;
}

Mismatch CompiledRule::match_json_rpc(const Request& request, BodyReader& body) const {
    const bool deny = reading_ == Reading::wide;
    if (request.method != "POST" && deny && request.body.empty()) {
        return Mismatch::json_rpc;
    }
    if (request.method != "POST" || !body.json_rpc()) {
        return deny ? Mismatch::none : Mismatch::body_unreadable;
    }
    const proto::JsonRpcMatch& match = rule_->json_rpc();
    const auto accepted = [&](const JsonRpcCall& call) {
        if (!match.methods().empty() && !any_glob(match.methods(), call.method, text_reading_)) {
            return false;
        }
        return call.method != "tools/call" || match.tools().empty() ||
               any_glob(match.tools(), call.tool, text_reading_);
    };
    return enough(*body.json_rpc(), reading_, accepted) ? Mismatch::none : Mismatch::json_rpc;
}

}  // namespace anchorhold::policy
