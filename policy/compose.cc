// Copy everything, then look at every pair that could contradict itself.
#include "policy/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "policy/binding.h"
#include "policy/host_pattern.h"
#include "policy/overlap.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxDocuments = 64;
constexpr int kMaxRules = 4096;
constexpr size_t kMaxConflicts = 20;

class Composer {
  public:
    explicit Composer(std::vector<Document> documents) : documents_(std::move(documents)) {}

    Result<proto::ResolvedPolicy> run() {
        if (documents_.empty() || documents_.size() > kMaxDocuments) {
            return fail(fmt::format("a policy is made of 1 to {} documents, not {}", kMaxDocuments,
                                    documents_.size()));
        }
        copy();
        if (policy_.rules_size() > kMaxRules || policy_.bindings_size() > kMaxRules) {
            return fail(fmt::format("together the documents have more than {} rules or credentials",
                                    kMaxRules));
        }
        check_names();
        check_protocols();
        check_bindings();
        check_placeholders();
        check_shadows();
        check_limits();
        check_private_ranges();
        if (conflicts_.empty()) {
            return std::move(policy_);
        }
        return fail(fmt::format("{}", fmt::join(conflicts_, "\n")));
    }

  private:
    void copy() {
        for (size_t i = 0; i < documents_.size(); ++i) {
            Document& document = documents_[i];
            const auto index = static_cast<uint32_t>(i);
            *policy_.add_documents() = document.info;
            for (const proto::Rule& rule : document.rules) {
                proto::Rule& copied = *policy_.add_rules();
                copied = rule;
                copied.mutable_origin()->set_document(index);
            }
            for (const proto::Binding& binding : document.bindings) {
                proto::Binding& copied = *policy_.add_bindings();
                copied = binding;
                copied.mutable_origin()->set_document(index);
            }
            for (const DocumentLimit& limit : document.limits) {
                proto::Limit& copied = *policy_.add_limits();
                copied = limit.limit;
                copied.mutable_origin()->set_document(index);
                merges_.push_back(limit.merge);
            }
        }
    }

    // "a.yaml:3:5 and b.yaml:9:5: …; …"
    void conflict(const proto::Origin& a, const proto::Origin& b, std::string_view what,
                  std::string_view settle) {
        std::string line = fmt::format("{} and {}: {}; {}", origin_text(policy_, a),
                                       origin_text(policy_, b), what, settle);
        if (conflicts_.size() < kMaxConflicts) {
            conflicts_.push_back(std::move(line));
        }
    }

    template <typename Items, typename Check>
    static void each_pair(const Items& items, Check check) {
        for (int i = 0; i < items.size(); ++i) {
            for (int j = i + 1; j < items.size(); ++j) {
                check(items[i], items[j]);
            }
        }
    }

    void check_names() {
        each_pair(policy_.documents(), [&](const auto& a, const auto& b) {
            if (a.name() == b.name() && conflicts_.size() < kMaxConflicts) {
                conflicts_.push_back(
                    fmt::format("{} and {}: both are named '{}'; give one of them another 'name', "
                                "or pass it once",
                                a.file(), b.file(), a.name()));
            }
        });
    }

    void check_protocols() {
        const auto grants = [](const proto::Rule& rule) {
            return rule.effect() != proto::Rule::DENY &&
                   std::ranges::none_of(rule.hosts(), &proto::HostPattern::any);
        };
        const auto spliced = [](const proto::Rule& rule) {
            return rule.protocol() == proto::TLS || rule.protocol() == proto::TCP;
        };
        each_pair(policy_.rules(), [&](const proto::Rule& a, const proto::Rule& b) {
            if (a.protocol() != b.protocol() && (spliced(a) || spliced(b)) && grants(a) &&
                grants(b) && endpoints_overlap(a, b)) {
                conflict(a.origin(), b.origin(),
                         "one host and port with two protocols, and one of them is not opened",
                         "use one protocol for this host, or different ports");
            }
        });
    }

    void check_bindings() {
        each_pair(policy_.bindings(), [&](const proto::Binding& a, const proto::Binding& b) {
            if (same_location(a, b) && !does_the_same(a, b) &&
                any_hosts_overlap(a.hosts(), b.hosts()) &&
                any_ports_overlap(a.ports(), b.ports())) {
                conflict(a.origin(), b.origin(),
                         fmt::format("two credentials, '{}' and '{}', for the {} of one host",
                                     a.secret(), b.secret(), location_text(a)),
                         "keep one of them, or name different hosts");
            }
        });
    }

    void check_placeholders() {
        each_pair(policy_.bindings(), [&](const proto::Binding& a, const proto::Binding& b) {
            if (a.secret() == b.secret()) {
                if (a.shape() != b.shape()) {
                    conflict(a.origin(), b.origin(),
                             fmt::format("two shapes, '{}' and '{}', for the placeholder of '{}'",
                                         a.shape(), b.shape(), a.secret()),
                             "write the same shape in both");
                }
                return;
            }
            for (const std::string& variable : a.variables()) {
                if (std::ranges::find(b.variables(), variable) != b.variables().end()) {
                    conflict(a.origin(), b.origin(),
                             fmt::format("two secrets, '{}' and '{}', for the variable {}",
                                         a.secret(), b.secret(), variable),
                             "keep the variable with one of them");
                }
            }
        });
    }

    // Two documents whose rules allow the same request, each with a credential of its own for it:
    // the request would carry both.
    void check_shadows() {
        each_pair(policy_.bindings(), [&](const proto::Binding& a, const proto::Binding& b) {
            const bool apart = a.origin().document() == b.origin().document() ||
                               same_location(a, b) || !any_hosts_overlap(a.hosts(), b.hosts()) ||
                               !any_ports_overlap(a.ports(), b.ports());
            if (apart) {
                return;
            }
            for (const proto::Rule& left : policy_.rules()) {
                if (!served_by(left, a)) {
                    continue;
                }
                for (const proto::Rule& right : policy_.rules()) {
                    if (served_by(right, b) && rules_overlap(left, right, Reading::narrow)) {
                        conflict(
                            left.origin(), right.origin(),
                            fmt::format("both match the same requests, and each brings a "
                                        "credential of its own ('{}' in the {}, '{}' in the "
                                        "{})",
                                        a.secret(), location_text(a), b.secret(), location_text(b)),
                            "narrow the paths or methods of one, or put both credentials into "
                            "one document");
                        return;
                    }
                }
            }
        });
    }

    static bool served_by(const proto::Rule& rule, const proto::Binding& binding) {
        return rule.origin().document() == binding.origin().document() &&
               rule.effect() != proto::Rule::DENY && rule.protocol() == proto::HTTPS &&
               any_hosts_overlap(rule.hosts(), binding.hosts()) &&
               any_ports_overlap(rule.ports(), binding.ports());
    }

    bool is_guardrail(const proto::Origin& origin) const {
        return policy_.documents(static_cast<int>(origin.document())).kind() ==
               proto::PolicyDocument::GUARDRAIL;
    }

    void check_limits() {
        for (int i = 0; i < policy_.limits_size(); ++i) {
            for (int j = i + 1; j < policy_.limits_size(); ++j) {
                const proto::Limit& a = policy_.limits(i);
                const proto::Limit& b = policy_.limits(j);
                const bool both_merge = merges_[static_cast<size_t>(i)] == LimitMerge::minimum &&
                                        merges_[static_cast<size_t>(j)] == LimitMerge::minimum;
                const bool differ = a.what() != b.what() ||
                                    a.window_seconds() != b.window_seconds() ||
                                    a.amount() == b.amount() || hosts_of(a) != hosts_of(b);
                if (!both_merge && !differ && !is_guardrail(a.origin()) &&
                    !is_guardrail(b.origin())) {
                    conflict(a.origin(), b.origin(),
                             fmt::format("two limits, {} and {}, on the same thing", a.amount(),
                                         b.amount()),
                             "write 'merge: min' in both so that the smaller counts, or keep one");
                }
            }
        }
    }

    static std::vector<std::string> hosts_of(const proto::Limit& limit) {
        std::vector<std::string> hosts;
        for (const proto::HostPattern& host : limit.hosts()) {
            hosts.push_back(host_pattern_text(host));
        }
        std::ranges::sort(hosts);
        return hosts;
    }

    // A name would lead past a guardrail that denies the addresses themselves.
    void check_private_ranges() {
        for (const proto::Rule& grant : policy_.rules()) {
            for (const std::string& text : grant.private_ranges()) {
                proto::HostPattern range;
                range.set_cidr(text);
                for (const proto::Rule& guardrail : policy_.rules()) {
                    const bool denies =
                        guardrail.effect() == proto::Rule::DENY &&
                        any_ports_overlap(guardrail.ports(), grant.ports()) &&
                        std::ranges::any_of(guardrail.hosts(), [&](const proto::HostPattern& host) {
                            return host.has_cidr() && hosts_overlap(host, range);
                        });
                    if (denies) {
                        conflict(grant.origin(), guardrail.origin(),
                                 fmt::format("the private range {} is denied by a guardrail", text),
                                 "leave the range out, or narrow it to what is not denied");
                    }
                }
            }
        }
    }

    std::vector<Document> documents_;
    proto::ResolvedPolicy policy_;
    std::vector<LimitMerge> merges_;  // as policy_.limits
    std::vector<std::string> conflicts_;
};

}  // namespace

Result<proto::ResolvedPolicy> compose(std::vector<Document> documents) {
    return Composer(std::move(documents)).run();
}

}  // namespace anchorhold::policy
