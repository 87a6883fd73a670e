// One entry of allow, ask or deny.
#include <fmt/format.h>

#include <algorithm>

#include "policy/document_reader.h"
#include "policy/host_pattern.h"
#include "policy/path_pattern.h"

namespace anchorhold::policy {
namespace {

const Words kAllowKeys = {"host",
                          "hosts",
                          "port",
                          "ports",
                          "protocol",
                          "method",
                          "methods",
                          "path",
                          "paths",
                          "query",
                          "graphql",
                          "json_rpc",
                          "private_ranges",
                          "max_request_bytes",
                          "max_response_bytes",
                          "description"};
const Words kDenyKeys = {"host", "hosts", "port",  "ports",   "protocol", "method",     "methods",
                         "path", "paths", "query", "graphql", "json_rpc", "description"};
const Words kProtocols = {"https", "http", "tls", "tcp"};

Status read_protocol(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    const YamlNode* protocol = DocumentReader::find(node, "protocol");
    if (protocol == nullptr) {
        rule.set_any_protocol(rule.effect() == proto::Rule::DENY);
        return {};
    }
    const std::string word = ANCHORHOLD_TRY(reader.word(*protocol, "protocol", kProtocols));
    rule.set_protocol(word == "https"  ? proto::HTTPS
                      : word == "http" ? proto::HTTP
                      : word == "tls"  ? proto::TLS
                                       : proto::TCP);
    return {};
}

Status fill_in_ports(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    ANCHORHOLD_TRY(read_ports(reader, node, *rule.mutable_ports()));
    if (!rule.ports().empty() || rule.effect() == proto::Rule::DENY) {
        return {};
    }
    if (rule.protocol() == proto::TCP) {
        return reader.refuse(node, "a rule for tcp needs 'port'");
    }
    rule.add_ports(rule.protocol() == proto::HTTP ? 80 : 443);
    return {};
}

Status read_methods(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    const YamlNode* list = ANCHORHOLD_TRY(reader.find_either(node, "method", "methods"));
    if (list == nullptr) {
        return {};
    }
    for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "methods"))) {
        const std::string method = ANCHORHOLD_TRY(reader.text(*item, "a method"));
        if (method.size() > 32 || !std::ranges::all_of(method, [](char c) {
                return (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
            })) {
            return reader.refuse(
                *item, "a method is a word in upper case such as GET; leave methods out for any");
        }
        if (std::ranges::find(rule.methods(), method) != rule.methods().end()) {
            return reader.refuse(*item, fmt::format("{} is listed twice", method));
        }
        rule.add_methods(method);
    }
    return {};
}

Status read_paths(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    const YamlNode* list = ANCHORHOLD_TRY(reader.find_either(node, "path", "paths"));
    if (list == nullptr) {
        return {};
    }
    for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "paths"))) {
        const std::string text = ANCHORHOLD_TRY(reader.text(*item, "a path"));
        auto pattern = parse_path_pattern(text);
        if (!pattern) {
            return reader.refuse(*item, pattern.error().message);
        }
        *rule.add_paths() = std::move(*pattern);
    }
    return {};
}

// query: {key: value, key: [value, value], key: {absent: true}, key: {present: true}}
Status read_query(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    const YamlNode* query = DocumentReader::find(node, "query");
    if (query == nullptr) {
        return {};
    }
    if (query->kind != YamlNode::Kind::mapping || query->members.empty()) {
        return reader.refuse(*query, "query is a mapping of keys to values, as in {state: open}");
    }
    for (const auto& [key, value] : query->members) {
        proto::QueryMatch& match = *rule.add_query();
        match.set_key(ANCHORHOLD_TRY(reader.text(key, "a query key")));
        if (value.kind != YamlNode::Kind::mapping) {
            for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(value, "a query value"))) {
                const bool empty = item->quoted && item->text.empty();
                match.add_values(empty ? std::string()
                                       : ANCHORHOLD_TRY(reader.text(*item, "a query value")));
            }
            continue;
        }
        ANCHORHOLD_TRY(reader.check_mapping(value, "a query key", {"absent", "present"}));
        const YamlNode* absent = DocumentReader::find(value, "absent");
        const YamlNode* present = DocumentReader::find(value, "present");
        const YamlNode* only = absent != nullptr ? absent : present;
        if (only == nullptr || (absent != nullptr && present != nullptr) ||
            !ANCHORHOLD_TRY(reader.truth(*only, "absent or present"))) {
            return reader.refuse(value, "write {absent: true} or {present: true}");
        }
        match.set_absent(only == absent);
    }
    return {};
}

// graphql: query, graphql: [query, mutation], graphql: {operations: [query], fields: [viewer]}
Status read_graphql(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    const YamlNode* graphql = DocumentReader::find(node, "graphql");
    if (graphql == nullptr) {
        return {};
    }
    proto::GraphQlMatch& match = *rule.mutable_graphql();
    const YamlNode* operations = graphql;
    if (graphql->kind == YamlNode::Kind::mapping) {
        ANCHORHOLD_TRY(reader.check_mapping(*graphql, "graphql", {"operations", "fields"}));
        operations = ANCHORHOLD_TRY(reader.require(*graphql, "graphql", "operations"));
        if (const YamlNode* fields = DocumentReader::find(*graphql, "fields")) {
            for (std::string& field : ANCHORHOLD_TRY(reader.texts(*fields, "fields"))) {
                match.add_fields(std::move(field));
            }
        }
    }
    for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*operations, "operations"))) {
        match.add_operations(ANCHORHOLD_TRY(
            reader.word(*item, "a GraphQL operation", {"query", "mutation", "subscription"})));
    }
    return {};
}

// json_rpc: {methods: [tools/list], tools: [search]}
Status read_json_rpc(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    const YamlNode* json_rpc = DocumentReader::find(node, "json_rpc");
    if (json_rpc == nullptr) {
        return {};
    }
    ANCHORHOLD_TRY(reader.check_mapping(*json_rpc, "json_rpc", {"methods", "tools"}));
    proto::JsonRpcMatch& match = *rule.mutable_json_rpc();
    if (const YamlNode* methods = DocumentReader::find(*json_rpc, "methods")) {
        for (std::string& method : ANCHORHOLD_TRY(reader.texts(*methods, "methods"))) {
            match.add_methods(std::move(method));
        }
    }
    if (const YamlNode* tools = DocumentReader::find(*json_rpc, "tools")) {
        for (std::string& tool : ANCHORHOLD_TRY(reader.texts(*tools, "tools"))) {
            match.add_tools(std::move(tool));
        }
    }
    if (match.methods().empty()) {
        if (match.tools().empty()) {
            return reader.refuse(*json_rpc, "json_rpc needs 'methods' or 'tools'");
        }
        match.add_methods("tools/call");
    }
    return {};
}

Status read_bounds(const DocumentReader& reader, const YamlNode& node, proto::Rule& rule) {
    if (const YamlNode* list = DocumentReader::find(node, "private_ranges")) {
        for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "private_ranges"))) {
            const std::string text = ANCHORHOLD_TRY(reader.text(*item, "a range"));
            const auto range = AddressRange::parse(text);
            if (!range) {
                return reader.refuse(*item, range.error().message);
            }
            rule.add_private_ranges(range->text());
        }
    }
    if (const YamlNode* bytes = DocumentReader::find(node, "max_request_bytes")) {
        rule.set_max_request_bytes(ANCHORHOLD_TRY(reader.size(*bytes, "max_request_bytes")));
    }
    if (const YamlNode* bytes = DocumentReader::find(node, "max_response_bytes")) {
        rule.set_max_response_bytes(ANCHORHOLD_TRY(reader.size(*bytes, "max_response_bytes")));
    }
    return {};
}

bool looks_at_requests(const proto::Rule& rule) {
    return !rule.methods().empty() || !rule.paths().empty() || !rule.query().empty() ||
           rule.has_graphql() || rule.has_json_rpc();
}

Status check_rule(const DocumentReader& reader, const YamlNode& node, const proto::Rule& rule) {
    if (rule.hosts().empty()) {
        return reader.refuse(node, "a rule needs 'host' or 'hosts'");
    }
    const bool any_host = std::ranges::any_of(rule.hosts(), &proto::HostPattern::any);
    if (any_host && rule.effect() == proto::Rule::ALLOW) {
        return reader.refuse(node, "'*' is not allowed under allow; name hosts, or *.suffixes");
    }
    const bool spliced = rule.protocol() == proto::TLS || rule.protocol() == proto::TCP;
    if (spliced && (looks_at_requests(rule) || rule.max_request_bytes() != 0 ||
                    rule.max_response_bytes() != 0)) {
        return reader.refuse(node,
                             "tls and tcp connections are not opened: methods, paths, query, "
                             "bodies and sizes cannot be seen; leave them out");
    }
    if (rule.has_graphql() && rule.has_json_rpc()) {
        return reader.refuse(node, "a body is GraphQL or JSON-RPC, not both; write two rules");
    }
    if ((rule.has_graphql() || rule.has_json_rpc()) && rule.paths().empty()) {
        return reader.refuse(node, "a rule that looks into bodies names its paths");
    }
    const bool has_post =
        rule.methods().empty() || std::ranges::find(rule.methods(), "POST") != rule.methods().end();
    if ((rule.has_graphql() || rule.has_json_rpc()) && !has_post) {
        return reader.refuse(node,
                             "GraphQL and JSON-RPC are read in POST only; name it in methods");
    }
    return {};
}

}  // namespace

Result<proto::Rule> read_rule(const DocumentReader& reader, const YamlNode& node,
                              proto::Rule::Effect effect) {
    const bool deny = effect == proto::Rule::DENY;
    ANCHORHOLD_TRY(reader.check_mapping(node, "a rule", deny ? kDenyKeys : kAllowKeys));
    proto::Rule rule;
    *rule.mutable_origin() = DocumentReader::origin(node);
    rule.set_effect(effect);
    rule.set_description(ANCHORHOLD_TRY(reader.optional_text(node, "description")));
    ANCHORHOLD_TRY(read_protocol(reader, node, rule));
    ANCHORHOLD_TRY(read_hosts(reader, node, *rule.mutable_hosts()));
    ANCHORHOLD_TRY(fill_in_ports(reader, node, rule));
    ANCHORHOLD_TRY(read_methods(reader, node, rule));
    ANCHORHOLD_TRY(read_paths(reader, node, rule));
    ANCHORHOLD_TRY(read_query(reader, node, rule));
    ANCHORHOLD_TRY(read_graphql(reader, node, rule));
    ANCHORHOLD_TRY(read_json_rpc(reader, node, rule));
    ANCHORHOLD_TRY(read_bounds(reader, node, rule));
    ANCHORHOLD_TRY(check_rule(reader, node, rule));
    return rule;
}

}  // namespace anchorhold::policy
