// One JSON value, printed as JSON or as lines.
#include "policy/print.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/log.h"
#include "policy/binding.h"
#include "policy/digest.h"
#include "policy/host_pattern.h"
#include "policy/path_pattern.h"

namespace anchorhold::policy {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kOriginColumn = 72;

template <typename Items, typename Text>
Json list_of(const Items& items, Text text) {
    Json list = Json::array();
    for (const auto& item : items) {
        list.push_back(text(item));
    }
    return list;
}

template <typename Items>
void put_list(Json& json, const char* key, const Items& items) {
    if (!items.empty()) {
        json[key] = list_of(items, [](const auto& item) { return item; });
    }
}

void put_text(Json& json, const char* key, const std::string& text) {
    if (!text.empty()) {
        json[key] = text;
    }
}

Json query_of(const proto::Rule& rule) {
    Json query = Json::object();
    for (const proto::QueryMatch& match : rule.query()) {
        if (match.values().empty()) {
            query[match.key()] = Json{{match.absent() ? "absent" : "present", true}};
        } else {
            query[match.key()] = list_of(match.values(), [](const auto& value) { return value; });
        }
    }
    return query;
}

Json rule_json(const proto::ResolvedPolicy& policy, const proto::Rule& rule) {
    Json json;
    json["id"] = rule.id();
    json["origin"] = origin_text(policy, rule.origin());
    put_text(json, "description", rule.description());
    json["effect"] = effect_word(rule.effect());
    json["protocol"] = rule.any_protocol() ? "any" : protocol_word(rule.protocol());
    json["hosts"] = list_of(rule.hosts(), host_pattern_text);
    put_list(json, "ports", rule.ports());
    put_list(json, "methods", rule.methods());
    if (!rule.paths().empty()) {
        json["paths"] = list_of(rule.paths(), path_pattern_text);
    }
    if (!rule.query().empty()) {
        json["query"] = query_of(rule);
    }
    if (rule.has_graphql()) {
        put_list(json["graphql"], "operations", rule.graphql().operations());
        put_list(json["graphql"], "fields", rule.graphql().fields());
    }
    if (rule.has_json_rpc()) {
        put_list(json["json_rpc"], "methods", rule.json_rpc().methods());
        put_list(json["json_rpc"], "tools", rule.json_rpc().tools());
    }
    put_list(json, "private_ranges", rule.private_ranges());
    if (rule.max_request_bytes() != 0) {
        json["max_request_bytes"] = rule.max_request_bytes();
    }
    if (rule.max_response_bytes() != 0) {
        json["max_response_bytes"] = rule.max_response_bytes();
    }
    return json;
}

Json mint_json(const proto::Mint& mint) {
    Json json{{"path", path_pattern_text(mint.path())}};
    if (mint.capture()) {
        put_list(json, "capture", mint.fields());
    } else {
        json["denied"] = true;
    }
    return json;
}

Json binding_json(const proto::ResolvedPolicy& policy, const proto::Binding& binding) {
    Json json;
    json["id"] = binding.id();
    json["origin"] = origin_text(policy, binding.origin());
    json["secret"] = binding.secret();
    json["hosts"] = list_of(binding.hosts(), host_pattern_text);
    put_list(json, "ports", binding.ports());
    json["location"] = location_text(binding);
    put_text(json, "format", binding.format());
    if (binding.basic()) {
        json["user"] = binding.user();
    }
    if (binding.has_aws_sigv4()) {
        json["access_key"] = binding.aws_sigv4().access_key_secret();
        put_text(json, "session_token", binding.aws_sigv4().session_token_secret());
    }
    put_text(json, "certificate", binding.client_certificate().certificate_secret());
    put_list(json, "variables", binding.variables());
    put_text(json, "shape", binding.shape());
    if (!binding.mints().empty()) {
        json["mint"] = list_of(binding.mints(), mint_json);
    }
    return json;
}

const char* what_word(proto::Limit::What what) {
    switch (what) {
        case proto::Limit::REQUESTS:
            return "requests";
        case proto::Limit::BYTES_OUT:
            return "bytes_out";
        case proto::Limit::BYTES_IN:
            return "bytes_in";
        case proto::Limit::STREAMS:
            return "streams";
        default:
            return "unknown";
    }
}

Json limit_json(const proto::ResolvedPolicy& policy, const proto::Limit& limit) {
    Json json;
    json["origin"] = origin_text(policy, limit.origin());
    json[what_word(limit.what())] = limit.amount();
    if (limit.window_seconds() != 0) {
        json["per_seconds"] = limit.window_seconds();
    }
    if (!limit.hosts().empty()) {
        json["hosts"] = list_of(limit.hosts(), host_pattern_text);
    }
    return json;
}

Json policy_json(const proto::ResolvedPolicy& policy) {
    Json json;
    json["digest"] = policy_digest(policy);
    json["documents"] = Json::array();
    for (const proto::PolicyDocument& document : policy.documents()) {
        const bool guardrail = document.kind() == proto::PolicyDocument::GUARDRAIL;
        Json& entry = json["documents"].emplace_back();
        entry["name"] = document.name();
        entry["kind"] = guardrail ? "guardrail" : "grant";
        entry["file"] = document.file();
        put_text(entry, "description", document.description());
        entry["sha256"] = hexadecimal(document.sha256());
    }
    json["rules"] =
        list_of(policy.rules(), [&](const auto& rule) { return rule_json(policy, rule); });
    json["credentials"] = list_of(
        policy.bindings(), [&](const auto& binding) { return binding_json(policy, binding); });
    json["limits"] =
        list_of(policy.limits(), [&](const auto& limit) { return limit_json(policy, limit); });
    return json;
}

// A value on one line, texts in quotes only where YAML would read something else.
std::string inline_text(const Json& value) {
    if (value.is_string()) {
        const std::string text = value.get<std::string>();
        const bool plain = !text.empty() &&
                           std::ranges::all_of(text,
                                               [](char c) {
                                                   return (c >= 'a' && c <= 'z') ||
                                                          (c >= 'A' && c <= 'Z') ||
                                                          (c >= '0' && c <= '9') ||
                                                          std::string_view(" -_./+=:%~").find(c) !=
                                                              std::string_view::npos;
                                               }) &&
                           text.front() != '-' && text.front() != ' ' && text.front() != '~' &&
                           text.find(": ") == std::string::npos && text.back() != ':';
        return plain ? text : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    if (value.is_array()) {
        std::vector<std::string> items;
        for (const Json& item : value) {
            items.push_back(inline_text(item));
        }
        return fmt::format("[{}]", fmt::join(items, ", "));
    }
    if (value.is_object()) {
        std::vector<std::string> members;
        for (const auto& [key, member] : value.items()) {
            members.push_back(fmt::format("{}: {}", key, inline_text(member)));
        }
        return fmt::format("{{{}}}", fmt::join(members, ", "));
    }
    return value.dump();
}

void print_entry(const Json& entry, std::string& out) {
    const std::string origin = entry.value("origin", "");
    const char* indent = "  - ";
    for (const auto& [key, value] : entry.items()) {
        if (key == "origin") {
            continue;
        }
        std::string line = fmt::format("{}{}: {}", indent, key, inline_text(value));
        if (!origin.empty()) {
            line.append(std::max(line.size() + 2, kOriginColumn) - line.size(), ' ');
            line += "# " + origin;
        }
        out += line + "\n";
        indent = "    ";
    }
}

}  // namespace

std::string print_policy(const proto::ResolvedPolicy& policy) {
    const Json json = policy_json(policy);
    std::string out = fmt::format("# {}\n", json["digest"].get<std::string>());
    for (const char* section : {"documents", "rules", "credentials", "limits"}) {
        if (json[section].empty()) {
            continue;
        }
        out += fmt::format("{}:\n", section);
        for (const Json& entry : json[section]) {
            print_entry(entry, out);
        }
    }
    return out;
}

std::string print_policy_json(const proto::ResolvedPolicy& policy) {
    return policy_json(policy).dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string rule_text(const proto::Rule& rule) {
    std::vector<std::string> hosts;
    for (const proto::HostPattern& host : rule.hosts()) {
        hosts.push_back(host_pattern_text(host));
    }
    std::string text = rule.methods().empty() ? std::string("any method")
                                              : fmt::format("{}", fmt::join(rule.methods(), ", "));
    const bool spliced = rule.protocol() == proto::TLS || rule.protocol() == proto::TCP;
    if (spliced || (rule.any_protocol() && rule.methods().empty())) {
        text = "connect";
    }
    text += fmt::format(" {}://{}", rule.any_protocol() ? "any" : protocol_word(rule.protocol()),
                        fmt::join(hosts, ","));
    text += rule.ports().empty() ? std::string(", any port")
                                 : fmt::format(":{}", fmt::join(rule.ports(), ","));
    for (const proto::PathPattern& path : rule.paths()) {
        text += " " + path_pattern_text(path);
    }
    if (!rule.query().empty()) {
        text += " query " + inline_text(query_of(rule));
    }
    if (rule.has_graphql()) {
        text += fmt::format(" graphql {}", fmt::join(rule.graphql().operations(), ","));
        text += rule.graphql().fields().empty()
                    ? ""
                    : fmt::format(" {{{}}}", fmt::join(rule.graphql().fields(), ","));
    }
    if (rule.has_json_rpc()) {
        text += fmt::format(" json_rpc {}", fmt::join(rule.json_rpc().methods(), ","));
        text += rule.json_rpc().tools().empty()
                    ? ""
                    : fmt::format(" tools {}", fmt::join(rule.json_rpc().tools(), ","));
    }
    return text;
}

std::string limit_text(const proto::Limit& limit) {
    std::string text = fmt::format("{} {}", limit.amount(), what_word(limit.what()));
    if (limit.window_seconds() != 0) {
        text += fmt::format(" per {} s", limit.window_seconds());
    }
    std::vector<std::string> hosts;
    for (const proto::HostPattern& host : limit.hosts()) {
        hosts.push_back(host_pattern_text(host));
    }
    if (!hosts.empty()) {
        text += fmt::format(" to {}", fmt::join(hosts, ", "));
    }
    return text;
}

}  // namespace anchorhold::policy
