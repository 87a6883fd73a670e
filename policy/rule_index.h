// The rules and credentials of a policy by host: what names one is found in one look-up.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/rule_match.h"

namespace anchorhold::policy {

// Everything that the policy says of one name, of every name below one, or of all other names.
struct Bucket {
    std::vector<const CompiledRule*> denying;  // each list in the policy's order
    std::vector<const CompiledRule*> allowing;
    std::vector<const CompiledRule*> asking;
    std::map<uint16_t, std::vector<const proto::Binding*>> bindings;  // by port
};

// Filled once; hands out pointers into itself, so it stays where it is.
class RuleIndex {
  public:
    RuleIndex() = default;
    RuleIndex(const RuleIndex&) = delete;
    RuleIndex& operator=(const RuleIndex&) = delete;

    // An error for a policy that compose() would not have made.
    Status fill(proto::ResolvedPolicy policy);

    [[nodiscard]] const Bucket& bucket_of(const Endpoint& endpoint) const;
    // The rules of a bucket name its hosts; those of addresses are to be asked one by one.
    [[nodiscard]] static bool applies(const CompiledRule& rule, const Endpoint& endpoint) {
        return !endpoint.host.empty() || rule.names_address(endpoint.address);
    }

    // As in the policy.
    [[nodiscard]] const std::vector<CompiledRule>& rules() const { return rules_; }
    [[nodiscard]] const proto::ResolvedPolicy& policy() const { return policy_; }

  private:
    struct NameHash {
        using is_transparent = void;
        size_t operator()(std::string_view name) const {
            return std::hash<std::string_view>{}(name);
        }
    };
    using Buckets = std::unordered_map<std::string, Bucket, NameHash, std::equal_to<>>;

    Status compile();
    void build();
    void fill(Bucket& bucket, const proto::HostPattern& key);

    proto::ResolvedPolicy policy_;
    std::vector<CompiledRule> rules_;
    Buckets exact_;
    Buckets below_;     // by suffix
    Bucket elsewhere_;  // names that no key above fits
    Bucket addresses_;  // every rule that can name an address
};

}  // namespace anchorhold::policy
