// A bucket holds what its key's own rules and those of every suffix above it say, so that one
// look-up is enough.
#include "policy/rule_index.h"

#include <algorithm>

#include "policy/binding.h"
#include "policy/host_pattern.h"

namespace anchorhold::policy {
namespace {

constexpr int kMaxDocuments = 256;
constexpr int kMaxRules = 8192;

}  // namespace

Status RuleIndex::fill(proto::ResolvedPolicy policy) {
    policy_ = std::move(policy);
    ANCHORHOLD_TRY(compile());
    build();
    return {};
}

const Bucket& RuleIndex::bucket_of(const Endpoint& endpoint) const {
    if (endpoint.host.empty()) {
        return addresses_;
    }
    if (const auto found = exact_.find(endpoint.host); found != exact_.end()) {
        return found->second;
    }
    std::string_view rest = endpoint.host;
    for (size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
        rest.remove_prefix(dot + 1);
        if (const auto found = below_.find(rest); found != below_.end()) {
            return found->second;
        }
    }
    return elsewhere_;
}

Status RuleIndex::compile() {
    if (policy_.documents_size() > kMaxDocuments || policy_.rules_size() > kMaxRules ||
        policy_.bindings_size() > kMaxRules || policy_.limits_size() > kMaxRules) {
        return fail("the policy has too many documents, rules, credentials or limits");
    }
    const auto origin_is_known = [&](const auto& item) {
        return item.origin().document() < static_cast<uint32_t>(policy_.documents_size());
    };
    if (!std::ranges::all_of(policy_.rules(), origin_is_known) ||
        !std::ranges::all_of(policy_.bindings(), origin_is_known) ||
        !std::ranges::all_of(policy_.limits(), origin_is_known)) {
        return fail("the policy names a document that it does not have");
    }
    rules_.reserve(static_cast<size_t>(policy_.rules_size()));
    for (const proto::Rule& rule : policy_.rules()) {
        rules_.push_back(ANCHORHOLD_TRY(CompiledRule::create(rule)));
    }
    for (const proto::Binding& binding : policy_.bindings()) {
        ANCHORHOLD_TRY(check_binding(binding));
    }
    for (const proto::Limit& limit : policy_.limits()) {
        for (const proto::HostPattern& host : limit.hosts()) {
            ANCHORHOLD_TRY(check_host_pattern(host));
        }
    }
    return {};
}

void RuleIndex::build() {
    const auto add_key = [&](const proto::HostPattern& host) {
        if (host.has_exact()) {
            exact_.try_emplace(host.exact());
        } else if (host.has_suffix()) {
            below_.try_emplace(host.suffix());
        }
    };
    for (const proto::Rule& rule : policy_.rules()) {
        std::ranges::for_each(rule.hosts(), add_key);
    }
    for (const proto::Binding& binding : policy_.bindings()) {
        std::ranges::for_each(binding.hosts(), add_key);
    }
    proto::HostPattern key;
    for (auto& [name, bucket] : exact_) {
        key.set_exact(name);
        fill(bucket, key);
    }
    for (auto& [suffix, bucket] : below_) {
        key.set_suffix(suffix);
        fill(bucket, key);
    }
    key.set_any(true);
    fill(elsewhere_, key);
    key.set_cidr("");
    fill(addresses_, key);
}

void RuleIndex::fill(Bucket& bucket, const proto::HostPattern& key) {
    const auto covers_key = [&](const proto::HostPattern& host) {
        return key.has_cidr() ? host.has_cidr() || host.any() : host_covers(host, key);
    };
    for (const CompiledRule& rule : rules_) {
        if (std::ranges::none_of(rule.rule().hosts(), covers_key)) {
            continue;
        }
        switch (rule.rule().effect()) {
            case proto::Rule::DENY:
                bucket.denying.push_back(&rule);
                break;
            case proto::Rule::ALLOW:
                bucket.allowing.push_back(&rule);
                break;
            default:
                bucket.asking.push_back(&rule);
        }
    }
    for (const proto::Binding& binding : policy_.bindings()) {
        if (std::ranges::any_of(binding.hosts(), covers_key)) {
            for (const uint32_t port : binding.ports()) {
                bucket.bindings[static_cast<uint16_t>(port)].push_back(&binding);
            }
        }
    }
}

}  // namespace anchorhold::policy
