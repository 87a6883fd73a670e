// One rule against one request: which of its conditions fails first.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "policy/evaluator.h"
#include "policy/glob.h"
#include "policy/graphql.h"
#include "policy/host_pattern.h"
#include "policy/json_rpc.h"

namespace anchorhold::policy {

// In the order in which conditions are looked at.
enum class Mismatch {
    host,
    port,
    protocol,
    method,
    path,
    query,
    request_too_large,
    body_too_large,   // longer than kMaxReadBody, and the rule looks into it
    body_unreadable,  // not what the rule is about
    graphql,
    json_rpc,
    none,
};

// "its methods do not include it"
std::string_view mismatch_text(Mismatch mismatch);

// The body of one request, read at most once as each kind.
class BodyReader {
  public:
    explicit BodyReader(const Request& request) : request_(request) {}

    [[nodiscard]] bool too_large() const { return request_.body.size() > kMaxReadBody; }
    const Result<std::vector<GraphQlOperation>>& graphql();
    const Result<std::vector<JsonRpcCall>>& json_rpc();

  private:
    [[nodiscard]] Status encoded() const;

    const Request& request_;
    std::optional<Result<std::vector<GraphQlOperation>>> graphql_;
    std::optional<Result<std::vector<JsonRpcCall>>> json_rpc_;
};

class CompiledRule {
  public:
    // `rule` outlives it. An error for a rule that compose() would not have made.
    static Result<CompiledRule> create(const proto::Rule& rule);

    [[nodiscard]] const proto::Rule& rule() const { return *rule_; }
    [[nodiscard]] Reading reading() const { return reading_; }
    [[nodiscard]] bool looks_into_body() const {
        return rule_->has_graphql() || rule_->has_json_rpc();
    }
    // Has no condition that only an HTTP request can be held against.
    [[nodiscard]] bool is_about_connections() const;

    [[nodiscard]] bool names(const Endpoint& endpoint) const;
    [[nodiscard]] bool names_address(std::span<const unsigned char> address) const;
    [[nodiscard]] bool has_port(uint16_t port) const;
    [[nodiscard]] bool has_protocol(proto::Protocol protocol) const;

    // Everything but the host and the body: none, or what failed.
    [[nodiscard]] Mismatch match_head(const Request& request) const;
    // The body, after the head matched. `body` is of the same request.
    [[nodiscard]] Mismatch match_body(const Request& request, BodyReader& body) const;

  private:
    [[nodiscard]] bool has_method(std::string_view method) const;
    [[nodiscard]] bool has_query(const proto::QueryMatch& match, const Target& target) const;
    [[nodiscard]] Mismatch match_graphql(const Request& request, BodyReader& body) const;
    [[nodiscard]] Mismatch match_json_rpc(const Request& request, BodyReader& body) const;

    const proto::Rule* rule_ = nullptr;
    Reading reading_ = Reading::narrow;      // of paths
    Reading text_reading_ = Reading::plain;  // of the rest
    std::vector<uint16_t> ports_;
    std::vector<AddressRange> ranges_;
    bool any_host_ = false;
};

}  // namespace anchorhold::policy
