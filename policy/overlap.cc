// Condition by condition.
#include "policy/overlap.h"

#include <algorithm>

#include "policy/host_pattern.h"
#include "policy/path_pattern.h"

namespace anchorhold::policy {
namespace {

template <typename Items, typename Item>
bool contains(const Items& items, const Item& item) {
    return std::ranges::find(items, item) != items.end();
}

bool protocols_overlap(const proto::Rule& a, const proto::Rule& b) {
    return a.any_protocol() || b.any_protocol() || a.protocol() == b.protocol();
}

bool methods_overlap(const proto::Rule& a, const proto::Rule& b) {
    return a.methods().empty() || b.methods().empty() ||
           std::ranges::any_of(a.methods(), [&](const std::string& method) {
               return contains(b.methods(), method);
           });
}

bool paths_may_overlap(const proto::Rule& a, const proto::Rule& b, Reading reading) {
    return a.paths().empty() || b.paths().empty() ||
           std::ranges::any_of(a.paths(), [&](const proto::PathPattern& left) {
               return std::ranges::any_of(b.paths(), [&](const proto::PathPattern& right) {
                   return paths_overlap(left, right, reading);
               });
           });
}

// One key that the one wants and the other refuses, or whose values cannot be the same.
bool queries_exclude(const proto::Rule& a, const proto::Rule& b) {
    for (const proto::QueryMatch& left : a.query()) {
        for (const proto::QueryMatch& right : b.query()) {
            if (left.key() != right.key()) {
                continue;
            }
            if (left.absent() != right.absent()) {
                return true;
            }
            const bool values_meet =
                left.values().empty() || right.values().empty() ||
                std::ranges::any_of(left.values(), [&](const std::string& one) {
                    return std::ranges::any_of(right.values(), [&](const std::string& other) {
                        return globs_overlap(one, other);
                    });
                });
            if (!left.absent() && !values_meet) {
                return true;
            }
        }
    }
    return false;
}

template <typename Outer, typename Inner>
bool globs_cover(const Outer& outer, const Inner& inner) {
    return std::ranges::all_of(inner, [&](const std::string& pattern) {
        return std::ranges::any_of(outer, [&](const std::string& wide) {
            return wide == "*" || glob_covers(wide, pattern);
        });
    });
}

bool query_covers(const proto::Rule& outer, const proto::Rule& inner) {
    return std::ranges::all_of(outer.query(), [&](const proto::QueryMatch& wide) {
        return std::ranges::any_of(inner.query(), [&](const proto::QueryMatch& narrow) {
            if (wide.key() != narrow.key() || wide.absent() != narrow.absent()) {
                return false;
            }
            return wide.values().empty() ||
                   (!narrow.values().empty() && globs_cover(wide.values(), narrow.values()));
        });
    });
}

bool body_covers(const proto::Rule& outer, const proto::Rule& inner) {
    if (outer.has_graphql()) {
        const proto::GraphQlMatch& wide = outer.graphql();
        const proto::GraphQlMatch& narrow = inner.graphql();
        const bool operations =
            wide.operations().empty() ||
            (!narrow.operations().empty() &&
             std::ranges::all_of(narrow.operations(), [&](const std::string& operation) {
                 return contains(wide.operations(), operation);
             }));
        const bool fields = wide.fields().empty() || (!narrow.fields().empty() &&
                                                      globs_cover(wide.fields(), narrow.fields()));
        return inner.has_graphql() && operations && fields;
    }
    if (outer.has_json_rpc()) {
        const proto::JsonRpcMatch& wide = outer.json_rpc();
        const proto::JsonRpcMatch& narrow = inner.json_rpc();
        const bool methods =
            wide.methods().empty() ||
            (!narrow.methods().empty() && globs_cover(wide.methods(), narrow.methods()));
        const bool tools = wide.tools().empty() ||
                           (!narrow.tools().empty() && globs_cover(wide.tools(), narrow.tools()));
        return inner.has_json_rpc() && methods && tools;
    }
    return true;
}

// A bound of 0 is none.
bool bound_covers(uint64_t outer, uint64_t inner) {
    return outer == 0 || (inner != 0 && inner <= outer);
}

bool private_ranges_cover(const proto::Rule& outer, const proto::Rule& inner) {
    return std::ranges::all_of(inner.private_ranges(), [&](const std::string& text) {
        const auto narrow = AddressRange::parse(text);
        return narrow && std::ranges::any_of(outer.private_ranges(), [&](const std::string& wide) {
                   const auto range = AddressRange::parse(wide);
                   return range && range->covers(*narrow);
               });
    });
}

}  // namespace

bool any_hosts_overlap(const HostPatterns& a, const HostPatterns& b) {
    return std::ranges::any_of(a, [&](const proto::HostPattern& left) {
        return std::ranges::any_of(
            b, [&](const proto::HostPattern& right) { return hosts_overlap(left, right); });
    });
}

bool any_ports_overlap(const Ports& a, const Ports& b) {
    return a.empty() || b.empty() ||
           std::ranges::any_of(a, [&](uint32_t port) { return contains(b, port); });
}

bool endpoints_overlap(const proto::Rule& a, const proto::Rule& b) {
    return any_hosts_overlap(a.hosts(), b.hosts()) && any_ports_overlap(a.ports(), b.ports());
}

bool rules_overlap(const proto::Rule& a, const proto::Rule& b, Reading reading) {
    if (!endpoints_overlap(a, b) || !protocols_overlap(a, b)) {
        return false;
    }
    // A guardrail's words about requests also stop connections that are not opened.
    const auto spliced = [](const proto::Rule& rule) {
        return rule.protocol() == proto::TLS || rule.protocol() == proto::TCP;
    };
    if (reading == Reading::wide && (spliced(a) || spliced(b))) {
        return true;
    }
    return methods_overlap(a, b) && paths_may_overlap(a, b, reading) &&
           (reading == Reading::wide || !queries_exclude(a, b));
}

bool rule_covers(const proto::Rule& outer, const proto::Rule& inner) {
    const bool hosts = std::ranges::all_of(inner.hosts(), [&](const proto::HostPattern& narrow) {
        return std::ranges::any_of(outer.hosts(), [&](const proto::HostPattern& wide) {
            return host_covers(wide, narrow);
        });
    });
    const bool ports =
        outer.ports().empty() ||
        (!inner.ports().empty() && std::ranges::all_of(inner.ports(), [&](uint32_t port) {
            return contains(outer.ports(), port);
        }));
    const bool protocol =
        outer.any_protocol() || (!inner.any_protocol() && outer.protocol() == inner.protocol());
    const bool methods =
        outer.methods().empty() ||
        (!inner.methods().empty() && std::ranges::all_of(inner.methods(), [&](const auto& method) {
            return contains(outer.methods(), method);
        }));
    const bool paths =
        outer.paths().empty() ||
        (!inner.paths().empty() && std::ranges::all_of(inner.paths(), [&](const auto& narrow) {
            return std::ranges::any_of(outer.paths(),
                                       [&](const auto& wide) { return path_covers(wide, narrow); });
        }));
    return hosts && ports && protocol && methods && paths && query_covers(outer, inner) &&
           body_covers(outer, inner) && private_ranges_cover(outer, inner) &&
           bound_covers(outer.max_request_bytes(), inner.max_request_bytes()) &&
           bound_covers(outer.max_response_bytes(), inner.max_response_bytes());
}

}  // namespace anchorhold::policy
