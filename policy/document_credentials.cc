// One entry of credentials.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/document_reader.h"
#include "policy/path_pattern.h"

namespace anchorhold::policy {
namespace {

const Words kKinds = {"bearer", "basic", "header",    "query", "path",
                      "json",   "form",  "aws-sigv4", "git",   "client-certificate"};

// Keys that every kind has; each kind adds its own.
constexpr std::array<std::string_view, 10> kCommonKeys = {
    "secret", "host", "hosts", "port", "ports", "kind", "variable", "variables", "shape", "mint"};

struct KindKeys {
    std::string_view kind;
    std::array<std::string_view, 4> keys;
};
constexpr std::array<KindKeys, 10> kKindKeys = {{
    {"bearer", {}},
    {"basic", {"user"}},
    {"header", {"header", "format"}},
    {"query", {"key", "format"}},
    {"path", {"segment", "format"}},
    {"json", {"pointer", "format"}},
    {"form", {"field", "format"}},
    {"aws-sigv4", {"region", "service", "access_key", "session_token"}},
    {"git", {"user"}},
    {"client-certificate", {"certificate"}},
}};

// Fields that frame or route a message (RFC 9110 §7, RFC 9112 §6), never a credential's place.
constexpr std::array<std::string_view, 12> kForbiddenHeaders = {"host",
                                                                "content-length",
                                                                "transfer-encoding",
                                                                "connection",
                                                                "te",
                                                                "trailer",
                                                                "upgrade",
                                                                "keep-alive",
                                                                "proxy-authorization",
                                                                "content-type",
                                                                "content-encoding",
                                                                "expect"};

bool is_token_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

Status check_keys(const DocumentReader& reader, const YamlNode& node, const std::string& kind) {
    const auto* entry = std::ranges::find(kKindKeys, kind, &KindKeys::kind);
    for (const auto& [key, value] : node.members) {
        const bool known = std::ranges::find(kCommonKeys, key.text) != kCommonKeys.end() ||
                           std::ranges::find(entry->keys, key.text) != entry->keys.end();
        if (!known) {
            return reader.refuse(
                key, fmt::format("a credential of kind {} has no '{}'", kind, key.text));
        }
    }
    return {};
}

// The name of a secret in the host's registry.
Result<std::string> secret_name(const DocumentReader& reader, const YamlNode& node,
                                std::string_view what) {
    std::string name = ANCHORHOLD_TRY(reader.text(node, what));
    const bool plain = name.size() <= 63 && std::ranges::all_of(name, [](char c) {
                           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                                  c == '_' || c == '.';
                       });
    if (!plain) {
        return reader.refuse(node, fmt::format("{} is a secret's name: lower-case letters, digits, "
                                               "hyphens, at most 63; never the secret itself",
                                               what));
    }
    return name;
}

Result<std::string> required_secret(const DocumentReader& reader, const YamlNode& node,
                                    std::string_view key) {
    const YamlNode* value = ANCHORHOLD_TRY(reader.require(node, "this credential", key));
    return secret_name(reader, *value, key);
}

Result<std::string> required_text(const DocumentReader& reader, const YamlNode& node,
                                  std::string_view key) {
    const YamlNode* value = ANCHORHOLD_TRY(reader.require(node, "this credential", key));
    return reader.text(*value, key);
}

Result<std::string> header_name(const DocumentReader& reader, const YamlNode& node) {
    const YamlNode* value = ANCHORHOLD_TRY(reader.require(node, "this credential", "header"));
    std::string name = ANCHORHOLD_TRY(reader.text(*value, "header"));
    for (char& c : name) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (!std::ranges::all_of(name, is_token_character)) {
        return reader.refuse(*value, "header is a field's name such as x-api-key");
    }
    if (std::ranges::find(kForbiddenHeaders, name) != kForbiddenHeaders.end()) {
        return reader.refuse(*value, fmt::format("{} is no place for a credential", name));
    }
    return name;
}

Status read_format(const DocumentReader& reader, const YamlNode& node, proto::Binding& binding) {
    const YamlNode* value = DocumentReader::find(node, "format");
    if (value == nullptr) {
        return {};
    }
    std::string format = ANCHORHOLD_TRY(reader.text(*value, "format"));
    const size_t place = format.find("{}");
    const bool plain = std::ranges::all_of(
        format, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
    if (place == std::string::npos || format.find("{}", place + 2) != std::string::npos || !plain) {
        return reader.refuse(*value, "format has one {} where the secret goes, as in 'Bearer {}'");
    }
    binding.set_format(std::move(format));
    return {};
}

// RFC 6901 §3.
Result<std::string> json_pointer(const DocumentReader& reader, const YamlNode& node) {
    std::string pointer = ANCHORHOLD_TRY(reader.text(node, "a JSON pointer"));
    bool good = pointer.front() == '/';
    for (size_t i = 0; i < pointer.size(); ++i) {
        good = good && (pointer[i] != '~' || (i + 1 < pointer.size() &&
                                              (pointer[i + 1] == '0' || pointer[i + 1] == '1')));
    }
    if (!good) {
        return reader.refuse(node, "a JSON pointer begins with a slash, as in /auth/token");
    }
    return pointer;
}

Status read_aws(const DocumentReader& reader, const YamlNode& node, proto::AwsSigV4& aws) {
    aws.set_service(ANCHORHOLD_TRY(required_text(reader, node, "service")));
    aws.set_region(ANCHORHOLD_TRY(required_text(reader, node, "region")));
    aws.set_access_key_secret(ANCHORHOLD_TRY(required_secret(reader, node, "access_key")));
    aws.set_access_key_variable("AWS_ACCESS_KEY_ID");
    if (const YamlNode* token = DocumentReader::find(node, "session_token")) {
        aws.set_session_token_secret(ANCHORHOLD_TRY(secret_name(reader, *token, "session_token")));
        aws.set_session_token_variable("AWS_SESSION_TOKEN");
    }
    return {};
}

Status read_location(const DocumentReader& reader, const YamlNode& node, const std::string& kind,
                     proto::Binding& binding) {
    if (kind == "bearer") {
        binding.set_header("authorization");
        binding.set_format("Bearer {}");
    } else if (kind == "basic" || kind == "git") {
        binding.set_header("authorization");
        binding.set_basic(true);
        const bool has_user = DocumentReader::find(node, "user") != nullptr;
        binding.set_user(kind == "git" && !has_user
                             ? std::string("x-access-token")
                             : ANCHORHOLD_TRY(required_text(reader, node, "user")));
        if (binding.user().find(':') != std::string::npos) {
            return reader.refuse(*DocumentReader::find(node, "user"),
                                 "a colon would end the user (RFC 7617 section 2)");
        }
    } else if (kind == "header") {
        binding.set_header(ANCHORHOLD_TRY(header_name(reader, node)));
    } else if (kind == "query") {
        binding.set_query_key(ANCHORHOLD_TRY(required_text(reader, node, "key")));
    } else if (kind == "path") {
        const YamlNode* value = ANCHORHOLD_TRY(reader.require(node, "this credential", "segment"));
        const uint64_t segment = ANCHORHOLD_TRY(reader.number(*value, "segment"));
        if (segment == 0 || segment > 64) {
            return reader.refuse(*value, "segment is the position in the path, from 1 to 64");
        }
        binding.set_path_segment(static_cast<uint32_t>(segment));
    } else if (kind == "json") {
        const YamlNode* value = ANCHORHOLD_TRY(reader.require(node, "this credential", "pointer"));
        binding.set_json_pointer(ANCHORHOLD_TRY(json_pointer(reader, *value)));
    } else if (kind == "form") {
        binding.set_form_field(ANCHORHOLD_TRY(required_text(reader, node, "field")));
    } else if (kind == "aws-sigv4") {
        return read_aws(reader, node, *binding.mutable_aws_sigv4());
    } else {
        binding.mutable_client_certificate()->set_certificate_secret(
            ANCHORHOLD_TRY(required_secret(reader, node, "certificate")));
    }
    return read_format(reader, node, binding);
}

Status read_placeholder(const DocumentReader& reader, const YamlNode& node,
                        proto::Binding& binding) {
    const YamlNode* list = ANCHORHOLD_TRY(reader.find_either(node, "variable", "variables"));
    if (list != nullptr) {
        for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "variables"))) {
            std::string name = ANCHORHOLD_TRY(reader.text(*item, "a variable"));
            const bool good =
                !(name[0] >= '0' && name[0] <= '9') && std::ranges::all_of(name, [](char c) {
                    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                           (c >= '0' && c <= '9') || c == '_';
                });
            if (!good) {
                return reader.refuse(*item, "a variable is a name such as API_KEY");
            }
            binding.add_variables(std::move(name));
        }
    }
    if (const YamlNode* shape = DocumentReader::find(node, "shape")) {
        std::string prefix = ANCHORHOLD_TRY(reader.text(*shape, "shape"));
        const bool plain = prefix.size() <= 32 && std::ranges::all_of(prefix, [](char c) {
                               return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
                           });
        if (!plain) {
            return reader.refuse(*shape,
                                 "shape is the first few characters of such a secret, as "
                                 "in ghp_");
        }
        binding.set_shape(std::move(prefix));
    }
    return {};
}

// mint: [/path, {path: /path, capture: [/access_token]}]; a path alone is denied.
Status read_mints(const DocumentReader& reader, const YamlNode& node, proto::Binding& binding) {
    const YamlNode* list = DocumentReader::find(node, "mint");
    if (list == nullptr) {
        return {};
    }
    for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "mint"))) {
        proto::Mint& mint = *binding.add_mints();
        const YamlNode* path = item;
        if (item->kind == YamlNode::Kind::mapping) {
            ANCHORHOLD_TRY(reader.check_mapping(*item, "mint", {"path", "capture"}));
            path = ANCHORHOLD_TRY(reader.require(*item, "mint", "path"));
            if (const YamlNode* fields = DocumentReader::find(*item, "capture")) {
                mint.set_capture(true);
                for (const YamlNode* field : ANCHORHOLD_TRY(reader.items(*fields, "capture"))) {
                    mint.add_fields(ANCHORHOLD_TRY(json_pointer(reader, *field)));
                }
            }
        }
        auto pattern = parse_path_pattern(ANCHORHOLD_TRY(reader.text(*path, "a path")));
        if (!pattern) {
            return reader.refuse(*path, pattern.error().message);
        }
        *mint.mutable_path() = std::move(*pattern);
    }
    return {};
}

}  // namespace

Result<proto::Binding> read_binding(const DocumentReader& reader, const YamlNode& node) {
    if (node.kind != YamlNode::Kind::mapping) {
        return reader.refuse(node, "a credential is a mapping with secret, host and kind");
    }
    proto::Binding binding;
    *binding.mutable_origin() = DocumentReader::origin(node);
    const YamlNode* kind_node = ANCHORHOLD_TRY(reader.require(node, "a credential", "kind"));
    const std::string kind = ANCHORHOLD_TRY(reader.word(*kind_node, "kind", kKinds));
    ANCHORHOLD_TRY(check_keys(reader, node, kind));
    binding.set_secret(ANCHORHOLD_TRY(required_secret(reader, node, "secret")));
    ANCHORHOLD_TRY(read_hosts(reader, node, *binding.mutable_hosts()));
    ANCHORHOLD_TRY(read_ports(reader, node, *binding.mutable_ports()));
    if (binding.ports().empty()) {
        binding.add_ports(443);
    }
    const auto by_name = [](const proto::HostPattern& host) {
        return host.has_exact() || host.has_suffix();
    };
    if (binding.hosts().empty() || !std::ranges::all_of(binding.hosts(), by_name)) {
        return reader.refuse(node, "a credential needs 'host': names, or *.suffixes");
    }
    ANCHORHOLD_TRY(read_location(reader, node, kind, binding));
    ANCHORHOLD_TRY(read_placeholder(reader, node, binding));
    ANCHORHOLD_TRY(read_mints(reader, node, binding));
    return binding;
}

}  // namespace anchorhold::policy
