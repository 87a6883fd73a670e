// Decides requests by one resolved policy. Pure: no I/O, no clock; limits over time are counted by
// the window (policy/limits.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/decision.h"
#include "policy/target.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// Where a connection goes. Exactly one of host and address is set.
struct Endpoint {
    std::string_view host;                   // strict_host_name's form
    std::span<const unsigned char> address;  // 4 or 16 bytes
    uint16_t port = 0;
};

struct Request {
    Endpoint endpoint;
    proto::Protocol protocol = proto::HTTPS;  // HTTPS or HTTP
    std::string_view method;  // as sent; methods are case-sensitive (RFC 9110 §9.1)
    const Target* target = nullptr;
    std::string_view content_type;  // of the body, may be empty
    std::string_view body;          // whole, where body_needed() asked for it
    // Of the body; anything but empty and "identity" cannot be read where a rule wants to.
    std::string_view content_encoding;
};

// The longest body that a rule may look into.
constexpr size_t kMaxReadBody = size_t{1} << 20;

// A rule as explain() saw it.
struct Considered {
    const proto::Rule* rule = nullptr;  // lives with the Evaluator
    bool matched = false;
    std::string why;  // empty when it matched
};

// Move-only; what it hands out lives as long as it does.
class Evaluator {
  public:
    // The policy is one that compose() made or that came through it on the wire; a rule without
    // hosts or ports is an error.
    static Result<Evaluator> create(proto::ResolvedPolicy policy);
    ~Evaluator();
    Evaluator(Evaluator&&) noexcept;
    Evaluator& operator=(Evaluator&&) noexcept;

    // Which protocol the policy knows for an endpoint, before a byte is read. nullopt: nothing
    // names it (HTTPS and HTTP are then decided, and denied, per request, so that the agent gets an
    // answer).
    [[nodiscard]] std::optional<proto::Protocol> protocol_of(const Endpoint& endpoint) const;

    // TLS and TCP: the whole connection. The name may come from the SNI.
    [[nodiscard]] Decision evaluate_connection(const Endpoint& endpoint,
                                               proto::Protocol protocol) const;

    // How many bytes of body evaluate() must see to decide: 0 when no rule that could match looks
    // into it, else kMaxReadBody. A body longer than that is given with one byte more, and refused.
    [[nodiscard]] size_t body_needed(const Request& request) const;

    [[nodiscard]] Decision evaluate(const Request& request) const;

    // Every binding of an endpoint, whatever the rules: what is a placeholder here, what is
    // foreign.
    [[nodiscard]] std::span<const proto::Binding* const> bindings_of(
        const Endpoint& endpoint) const;

    // Every rule with why it did not match, in the policy's order. Slow; for people.
    [[nodiscard]] std::vector<Considered> explain(const Request& request) const;
    [[nodiscard]] std::vector<Considered> explain_connection(const Endpoint& endpoint,
                                                             proto::Protocol protocol) const;

    // "github-read.yaml:12:5"
    [[nodiscard]] std::string origin_text(const proto::Origin& origin) const;

    [[nodiscard]] const proto::ResolvedPolicy& policy() const;

  private:
    struct Index;
    explicit Evaluator(std::unique_ptr<Index> index);
    std::unique_ptr<Index> index_;
};

}  // namespace anchorhold::policy
