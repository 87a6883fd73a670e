// Rules are cut into pieces of one host, port, method and path; each piece must be covered by one
// rule of the other policy.
#include "policy/within.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "policy/binding.h"
#include "policy/host_pattern.h"
#include "policy/overlap.h"
#include "policy/print.h"

namespace anchorhold::policy {
namespace {

using Policy = proto::ResolvedPolicy;
using Rule = proto::Rule;

constexpr int kMaxPieces = 20'000;

// The rule as rules of one host, port, method and path each; as it is where that would be too many.
std::vector<Rule> pieces_of(const Rule& rule) {
    const auto at_least_one = [](int count) { return std::max(count, 1); };
    const int64_t count = int64_t{at_least_one(rule.hosts_size())} *
                          at_least_one(rule.ports_size()) * at_least_one(rule.methods_size()) *
                          at_least_one(rule.paths_size());
    if (count > kMaxPieces) {
        return {rule};
    }
    std::vector<Rule> pieces = {rule};
    const auto cut = [&pieces](const auto& items, auto clear, auto add) {
        if (items.size() < 2) {
            return;
        }
        std::vector<Rule> finer;
        for (const Rule& piece : pieces) {
            for (const auto& item : items) {
                Rule& one = finer.emplace_back(piece);
                clear(one);
                add(one, item);
            }
        }
        pieces = std::move(finer);
    };
    cut(
        rule.hosts(), [](Rule& r) { r.clear_hosts(); },
        [](Rule& r, const auto& item) { *r.add_hosts() = item; });
    cut(
        rule.ports(), [](Rule& r) { r.clear_ports(); },
        [](Rule& r, uint32_t item) { r.add_ports(item); });
    cut(
        rule.methods(), [](Rule& r) { r.clear_methods(); },
        [](Rule& r, const auto& item) { r.add_methods(item); });
    cut(
        rule.paths(), [](Rule& r) { r.clear_paths(); },
        [](Rule& r, const auto& item) { *r.add_paths() = item; });
    return pieces;
}

bool binding_serves(const proto::Binding& binding, const Rule& rule) {
    return binding.origin().document() == rule.origin().document() &&
           rule.protocol() == proto::HTTPS && any_hosts_overlap(binding.hosts(), rule.hosts()) &&
           any_ports_overlap(binding.ports(), rule.ports());
}

bool hosts_cover(const HostPatterns& outer, const HostPatterns& inner) {
    return std::ranges::all_of(inner, [&](const proto::HostPattern& narrow) {
        return std::ranges::any_of(
            outer, [&](const proto::HostPattern& wide) { return host_covers(wide, narrow); });
    });
}

// The parent's rule brings, from its own document, every credential that the child's piece gets.
bool brings_credentials(const Policy& parent, const Rule& outer, const Policy& child,
                        const Rule& piece) {
    return std::ranges::all_of(child.bindings(), [&](const proto::Binding& wanted) {
        return !binding_serves(wanted, piece) ||
               std::ranges::any_of(parent.bindings(), [&](const proto::Binding& binding) {
                   return binding_serves(binding, outer) && does_the_same(binding, wanted) &&
                          hosts_cover(binding.hosts(), piece.hosts()) &&
                          std::ranges::all_of(piece.ports(), [&](uint32_t port) {
                              return std::ranges::find(binding.ports(), port) !=
                                     binding.ports().end();
                          });
               });
    });
}

enum class Credentials { ignore, compare };

bool covered(const Policy& parent, const Policy& child, const Rule& piece,
             Credentials credentials) {
    return std::ranges::any_of(parent.rules(), [&](const Rule& outer) {
        const bool strong_enough = outer.effect() == Rule::ALLOW ||
                                   (outer.effect() == Rule::ASK && piece.effect() == Rule::ASK);
        return strong_enough && rule_covers(outer, piece) &&
               (credentials == Credentials::ignore ||
                brings_credentials(parent, outer, child, piece));
    });
}

// Whether some guardrail of the policy denies everything that `rule` matches.
bool denied_by(const Policy& policy, const Rule& rule) {
    return std::ranges::any_of(policy.rules(), [&](const Rule& outer) {
        return outer.effect() == Rule::DENY && rule_covers(outer, rule);
    });
}

std::string where(const Policy& policy, const proto::Origin& origin) {
    return origin_text(policy, origin);
}

void check_grants(const Policy& child, const Policy& parent, std::vector<std::string>& reasons) {
    for (const Rule& rule : child.rules()) {
        if (rule.effect() == Rule::DENY) {
            continue;
        }
        for (const Rule& piece : pieces_of(rule)) {
            if (denied_by(child, piece)) {
                continue;
            }
            if (!covered(parent, child, piece, Credentials::compare)) {
                const bool only_credential = covered(parent, child, piece, Credentials::ignore);
                reasons.push_back(
                    fmt::format("{}: '{}' is not within any rule of the other policy{}",
                                where(child, rule.origin()), rule_text(piece),
                                only_credential ? " that brings the same credentials" : ""));
            }
            for (const Rule& guardrail : parent.rules()) {
                if (guardrail.effect() == Rule::DENY &&
                    rules_overlap(guardrail, piece, Reading::wide) &&
                    !denied_by(child, guardrail)) {
                    reasons.push_back(
                        fmt::format("{}: '{}' may match what {} denies; repeat that guardrail",
                                    where(child, rule.origin()), rule_text(piece),
                                    where(parent, guardrail.origin())));
                }
            }
        }
    }
}

bool limit_covers(const proto::Limit& outer, const proto::Limit& inner) {
    return inner.what() == outer.what() && inner.window_seconds() == outer.window_seconds() &&
           inner.amount() <= outer.amount() &&
           (inner.hosts().empty() ||
            (!outer.hosts().empty() && hosts_cover(inner.hosts(), outer.hosts())));
}

bool limited_by(const Policy& policy, const proto::Limit& outer) {
    return std::ranges::any_of(
        policy.limits(), [&](const proto::Limit& inner) { return limit_covers(outer, inner); });
}

// Pieces of `from`'s rules of one kind that `to` does not have, as changes.
void compare_rules(const Policy& from, const Policy& to, PolicyChange::Kind gained,
                   std::vector<PolicyChange>& changes) {
    for (const Rule& rule : from.rules()) {
        if (rule.effect() == Rule::DENY) {
            continue;
        }
        const std::vector<Rule> pieces = pieces_of(rule);
        std::vector<const Rule*> lost;
        for (const Rule& piece : pieces) {
            if (!denied_by(from, piece) &&
                (denied_by(to, piece) || !covered(to, from, piece, Credentials::ignore))) {
                lost.push_back(&piece);
            }
        }
        const bool asks = gained == PolicyChange::Kind::allowed && rule.effect() == Rule::ASK;
        const auto kind = asks ? PolicyChange::Kind::asked : gained;
        if (lost.size() == pieces.size()) {
            lost = {&rule};
        }
        for (const Rule* piece : lost) {
            changes.push_back({kind, rule_text(*piece), where(from, rule.origin())});
        }
    }
}

void compare_guardrails(const Policy& from, const Policy& to, PolicyChange::Kind gained,
                        std::vector<PolicyChange>& changes) {
    for (const Rule& rule : from.rules()) {
        if (rule.effect() == Rule::DENY && !denied_by(to, rule)) {
            changes.push_back(
                {gained, rule_text(rule) + " (guardrail)", where(from, rule.origin())});
        }
    }
}

void compare_limits(const Policy& from, const Policy& to, PolicyChange::Kind gained,
                    std::vector<PolicyChange>& changes) {
    for (const proto::Limit& limit : from.limits()) {
        if (!limited_by(to, limit)) {
            changes.push_back({gained, limit_text(limit), where(from, limit.origin())});
        }
    }
}

void compare_bindings(const Policy& from, const Policy& to, PolicyChange::Kind gained,
                      std::vector<PolicyChange>& changes) {
    for (const proto::Binding& binding : from.bindings()) {
        const bool kept = std::ranges::any_of(to.bindings(), [&](const proto::Binding& other) {
            return does_the_same(binding, other) && hosts_cover(other.hosts(), binding.hosts());
        });
        if (!kept) {
            std::vector<std::string> hosts;
            for (const proto::HostPattern& host : binding.hosts()) {
                hosts.push_back(host_pattern_text(host));
            }
            changes.push_back({gained,
                               fmt::format("'{}' in the {} to {}", binding.secret(),
                                           location_text(binding), fmt::join(hosts, ", ")),
                               where(from, binding.origin())});
        }
    }
}

}  // namespace

std::vector<std::string> beyond(const proto::ResolvedPolicy& child,
                                const proto::ResolvedPolicy& parent) {
    std::vector<std::string> reasons;
    check_grants(child, parent, reasons);
    for (const proto::Limit& limit : parent.limits()) {
        if (!limited_by(child, limit)) {
            reasons.push_back(fmt::format("{}: the limit of {} is not kept",
                                          where(parent, limit.origin()), limit_text(limit)));
        }
    }
    return reasons;
}

std::string_view change_word(PolicyChange::Kind kind) {
    switch (kind) {
        case PolicyChange::Kind::allowed:
            return "becomes allowed";
        case PolicyChange::Kind::asked:
            return "becomes a question";
        case PolicyChange::Kind::denied:
            return "becomes denied";
        case PolicyChange::Kind::limited:
            return "becomes limited";
        case PolicyChange::Kind::unlimited:
            return "loses its limit";
        case PolicyChange::Kind::credential:
            return "gets a credential";
        case PolicyChange::Kind::no_credential:
            break;
    }
    return "loses a credential";
}

std::vector<PolicyChange> compare(const proto::ResolvedPolicy& old_policy,
                                  const proto::ResolvedPolicy& new_policy) {
    using Kind = PolicyChange::Kind;
    std::vector<PolicyChange> changes;
    compare_rules(new_policy, old_policy, Kind::allowed, changes);
    compare_guardrails(old_policy, new_policy, Kind::allowed, changes);
    compare_rules(old_policy, new_policy, Kind::denied, changes);
    compare_guardrails(new_policy, old_policy, Kind::denied, changes);
    compare_limits(new_policy, old_policy, Kind::limited, changes);
    compare_limits(old_policy, new_policy, Kind::unlimited, changes);
    compare_bindings(new_policy, old_policy, Kind::credential, changes);
    compare_bindings(old_policy, new_policy, Kind::no_credential, changes);
    return changes;
}

}  // namespace anchorhold::policy
