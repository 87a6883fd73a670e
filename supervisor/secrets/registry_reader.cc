// Names, sources, hosts and policies, each with its place in the file.
#include "supervisor/secrets/registry_reader.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "policy/host_pattern.h"

namespace anchorhold::supervisor {

using policy::YamlNode;

namespace {

bool is_name(std::string_view text, std::string_view more) {
    return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, [&](char byte) {
        return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
               more.find(byte) != std::string_view::npos;
    });
}

bool is_variable(std::string_view text) {
    return !text.empty() && !(text.front() >= '0' && text.front() <= '9') &&
           std::ranges::all_of(text, [](char byte) {
               return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= '0' && byte <= '9') || byte == '_';
           });
}

}  // namespace

RegistryReader::RegistryReader(std::string path) : path_(std::move(path)), reader_(path_) {}

// "~/" is the home folder; a relative path begins where the registry is.
std::string RegistryReader::file_path(const std::string& text) const {
    const char* const home = std::getenv("HOME");  // NOLINT: before there are threads
    if (text.starts_with("~/") && home != nullptr) {
        return std::string(home) + text.substr(1);
    }
    return text.starts_with('/') ? text : path_.substr(0, path_.rfind('/') + 1) + text;
}

Result<SecretSource> RegistryReader::read_source(const YamlNode& node) const {
    constexpr std::string_view kHow =
        "from is one of {environment: NAME}, {file: PATH}, {command: [PROGRAM, ARGUMENT]} and "
        "{systemd: NAME}; a secret itself never stands in this file";
    if (node.kind != YamlNode::Kind::mapping || node.members.size() != 1) {
        return reader_.refuse(node, kHow);
    }
    const auto& [key, value] = node.members.front();
    if (key.text == "environment") {
        std::string variable = ANCHORHOLD_TRY(reader_.text(value, "environment"));
        if (!is_variable(variable)) {
            return reader_.refuse(value, "environment is the name of a variable");
        }
        auto taken = take_environment(variable);
        if (!taken) {
            return reader_.refuse(value, taken.error().message);
        }
        return std::move(*taken);
    }
    if (key.text == "file") {
        return FileSource{file_path(ANCHORHOLD_TRY(reader_.text(value, "file")))};
    }
    if (key.text == "command") {
        if (value.kind != YamlNode::Kind::sequence) {
            return reader_.refuse(value,
                                  "command is a list: the program and its arguments; there "
                                  "is no shell");
        }
        return CommandSource{ANCHORHOLD_TRY(reader_.texts(value, "command"))};
    }
    if (key.text == "systemd") {
        std::string name = ANCHORHOLD_TRY(reader_.text(value, "systemd"));
        if (name.find('/') != std::string::npos || name.starts_with('.')) {
            return reader_.refuse(value, "systemd is the name of a credential, not a path");
        }
        return SystemdSource{std::move(name)};
    }
    return reader_.refuse(key, kHow);
}

Result<SecretRegistry::Entry> RegistryReader::read_entry(const YamlNode& node) const {
    ANCHORHOLD_TRY(reader_.check_mapping(node, "a secret", {"from", "hosts", "policies"}));
    SecretRegistry::Entry entry;
    entry.place =
        path_ + ":" + std::to_string(node.place.line) + ":" + std::to_string(node.place.column);
    const YamlNode* const hosts = ANCHORHOLD_TRY(reader_.require(node, "a secret", "hosts"));
    for (const YamlNode* const item : ANCHORHOLD_TRY(reader_.items(*hosts, "hosts"))) {
        auto pattern = policy::parse_host_pattern(ANCHORHOLD_TRY(reader_.text(*item, "a host")));
        if (!pattern || (!pattern->has_exact() && !pattern->has_suffix())) {
            return reader_.refuse(*item, "hosts are names, or *.name for all names below it");
        }
        entry.hosts.push_back(std::move(*pattern));
    }
    const YamlNode* const policies = ANCHORHOLD_TRY(reader_.require(node, "a secret", "policies"));
    entry.policies = ANCHORHOLD_TRY(reader_.texts(*policies, "policies"));
    for (const std::string& name : entry.policies) {
        if (name != "*" && !is_name(name, "-")) {
            return reader_.refuse(*policies, "policies are names of policy documents, or \"*\"");
        }
    }
    const YamlNode* const from = ANCHORHOLD_TRY(reader_.require(node, "a secret", "from"));
    entry.source = ANCHORHOLD_TRY(read_source(*from));
    return entry;
}

Status RegistryReader::read(std::string_view text, SecretRegistry& registry) const {
    const auto root = policy::parse_yaml(text);
    if (!root) {
        return fail(path_ + ":" + root.error().message);
    }
    if (root->kind == YamlNode::Kind::null) {
        return {};
    }
    ANCHORHOLD_TRY(reader_.check_mapping(*root, "the registry", {"secrets"}));
    const YamlNode* const secrets =
        ANCHORHOLD_TRY(reader_.require(*root, "the registry", "secrets"));
    if (secrets->kind != YamlNode::Kind::mapping) {
        return reader_.refuse(*secrets, "secrets is a mapping from names to where they come from");
    }
    for (const auto& [name, node] : secrets->members) {
        if (!is_name(name.text, "-_.")) {
            return reader_.refuse(name,
                                  "a secret's name is of lower-case letters, digits, "
                                  "hyphens, underscores and dots, at most 63");
        }
        registry.entries_.emplace(name.text, ANCHORHOLD_TRY(read_entry(node)));
    }
    return {};
}

}  // namespace anchorhold::supervisor
