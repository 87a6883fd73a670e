// The document's own keys; its lists are read by document_rules.cc and document_credentials.cc.
#include "policy/document.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/fd.h"
#include "base/log.h"
#include "policy/digest.h"
#include "policy/document_reader.h"
#include "policy/host_pattern.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxFile = size_t{256} << 10;
constexpr size_t kMaxEntries = 2000;

bool is_document_name(std::string_view name) {
    return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

std::string_view stem_of(std::string_view file) {
    file.remove_prefix(file.rfind('/') + 1);
    for (const std::string_view ending : {".yaml", ".yml"}) {
        if (file.ends_with(ending)) {
            file.remove_suffix(ending.size());
        }
    }
    return file;
}

// One entry of limits: {requests: 600, per: 1m}, {bytes_out: 1GiB, hosts: […]}, {streams: 32}.
Result<DocumentLimit> read_limit(const DocumentReader& reader, const YamlNode& node) {
    ANCHORHOLD_TRY(reader.check_mapping(
        node, "a limit",
        {"requests", "bytes_out", "bytes_in", "streams", "per", "host", "hosts", "merge"}));
    using What = std::pair<std::string_view, proto::Limit::What>;
    constexpr std::array<What, 4> kWhats = {{{"requests", proto::Limit::REQUESTS},
                                             {"bytes_out", proto::Limit::BYTES_OUT},
                                             {"bytes_in", proto::Limit::BYTES_IN},
                                             {"streams", proto::Limit::STREAMS}}};
    DocumentLimit read;
    proto::Limit& limit = read.limit;
    *limit.mutable_origin() = DocumentReader::origin(node);
    for (const auto& [word, what] : kWhats) {
        const YamlNode* amount = DocumentReader::find(node, word);
        if (amount == nullptr) {
            continue;
        }
        if (limit.what() != proto::Limit::UNKNOWN) {
            return reader.refuse(*amount, "one limit counts one thing; write two");
        }
        limit.set_what(what);
        const bool bytes = what == proto::Limit::BYTES_OUT || what == proto::Limit::BYTES_IN;
        limit.set_amount(
            ANCHORHOLD_TRY(bytes ? reader.size(*amount, word) : reader.number(*amount, word)));
        if (limit.amount() == 0) {
            return reader.refuse(*amount, "a limit of 0; deny it with a rule instead");
        }
    }
    if (limit.what() == proto::Limit::UNKNOWN) {
        return reader.refuse(node, "a limit needs requests, bytes_out, bytes_in or streams");
    }
    const YamlNode* per = DocumentReader::find(node, "per");
    if (per != nullptr && limit.what() == proto::Limit::STREAMS) {
        return reader.refuse(*per, "streams are counted at once; leave 'per' out");
    }
    if (per == nullptr && limit.what() == proto::Limit::REQUESTS) {
        return reader.refuse(node, "a limit on requests needs 'per', as in per: 1m");
    }
    if (per != nullptr) {
        limit.set_window_seconds(ANCHORHOLD_TRY(reader.seconds(*per, "per")));
    }
    ANCHORHOLD_TRY(read_hosts(reader, node, *limit.mutable_hosts()));
    if (std::ranges::any_of(limit.hosts(), &proto::HostPattern::any)) {
        return reader.refuse(node, "'*' is every host; leave hosts out");
    }
    if (const YamlNode* merge = DocumentReader::find(node, "merge")) {
        ANCHORHOLD_TRY(reader.word(*merge, "merge", {"min"}));
        read.merge = LimitMerge::minimum;
    }
    return read;
}

// The entries of one list of the document.
Result<std::vector<const YamlNode*>> entries(const DocumentReader& reader, const YamlNode& root,
                                             std::string_view key) {
    const YamlNode* list = DocumentReader::find(root, key);
    if (list == nullptr) {
        return std::vector<const YamlNode*>();
    }
    if (list->kind != YamlNode::Kind::sequence) {
        return reader.refuse(*list, fmt::format("{} is a list", key));
    }
    if (list->items.size() > kMaxEntries) {
        return reader.refuse(*list, fmt::format("{} has more than {} entries", key, kMaxEntries));
    }
    return reader.items(*list, key);
}

Status read_rules(const DocumentReader& reader, const YamlNode& root, std::string_view key,
                  proto::Rule::Effect effect, Document& document) {
    size_t position = 0;
    for (const YamlNode* entry : ANCHORHOLD_TRY(entries(reader, root, key))) {
        proto::Rule rule = ANCHORHOLD_TRY(read_rule(reader, *entry, effect));
        rule.set_id(fmt::format("{}/{}/{}", document.info.name(), key, ++position));
        document.rules.push_back(std::move(rule));
    }
    return {};
}

// A credential is of use only where its own document allows https.
Status check_credential(const DocumentReader& reader, const YamlNode& node,
                        const Document& document, const proto::Binding& binding) {
    for (const proto::HostPattern& host : binding.hosts()) {
        const auto serves = [&](const proto::Rule& rule) {
            return rule.protocol() == proto::HTTPS && rule.effect() != proto::Rule::DENY &&
                   std::ranges::any_of(rule.hosts(),
                                       [&](const proto::HostPattern& other) {
                                           return hosts_overlap(host, other);
                                       }) &&
                   std::ranges::any_of(rule.ports(), [&](uint32_t port) {
                       return std::ranges::find(binding.ports(), port) != binding.ports().end();
                   });
        };
        if (std::ranges::none_of(document.rules, serves)) {
            return reader.refuse(
                node, fmt::format("nothing in this document allows https to {}: a credential "
                                  "serves only what its own document allows",
                                  host_pattern_text(host)));
        }
    }
    return {};
}

Status read_grant(const DocumentReader& reader, const YamlNode& root, Document& document) {
    ANCHORHOLD_TRY(read_rules(reader, root, "allow", proto::Rule::ALLOW, document));
    ANCHORHOLD_TRY(read_rules(reader, root, "ask", proto::Rule::ASK, document));
    if (const YamlNode* deny = DocumentReader::find(root, "deny")) {
        return reader.refuse(*deny,
                             "a grant denies nothing: what it does not allow is denied already; "
                             "put deny into a document of kind guardrail");
    }
    size_t position = 0;
    for (const YamlNode* entry : ANCHORHOLD_TRY(entries(reader, root, "credentials"))) {
        proto::Binding binding = ANCHORHOLD_TRY(read_binding(reader, *entry));
        binding.set_id(fmt::format("{}/credential/{}", document.info.name(), ++position));
        ANCHORHOLD_TRY(check_credential(reader, *entry, document, binding));
        document.bindings.push_back(std::move(binding));
    }
    return {};
}

Status read_guardrail(const DocumentReader& reader, const YamlNode& root, Document& document) {
    for (const std::string_view key : {"allow", "ask", "credentials"}) {
        if (const YamlNode* list = DocumentReader::find(root, key)) {
            return reader.refuse(*list, fmt::format("a guardrail denies and limits; put {} into a "
                                                    "document of kind grant",
                                                    key));
        }
    }
    return read_rules(reader, root, "deny", proto::Rule::DENY, document);
}

Status read_info(const DocumentReader& reader, const YamlNode& root, std::string_view file,
                 Document& document) {
    const YamlNode* version = ANCHORHOLD_TRY(reader.require(root, "a policy", "version"));
    if (ANCHORHOLD_TRY(reader.number(*version, "version")) != 1) {
        return reader.refuse(*version, "this program reads version 1");
    }
    const YamlNode* kind = ANCHORHOLD_TRY(reader.require(root, "a policy", "kind"));
    const std::string word = ANCHORHOLD_TRY(reader.word(*kind, "kind", {"grant", "guardrail"}));
    document.info.set_kind(word == "grant" ? proto::PolicyDocument::GRANT
                                           : proto::PolicyDocument::GUARDRAIL);
    const YamlNode* name = DocumentReader::find(root, "name");
    document.info.set_name(name != nullptr ? ANCHORHOLD_TRY(reader.text(*name, "name"))
                                           : std::string(stem_of(file)));
    if (!is_document_name(document.info.name())) {
        return reader.refuse(name != nullptr ? *name : root,
                             "a policy needs 'name': lower-case letters, digits and hyphens, at "
                             "most 63");
    }
    document.info.set_description(ANCHORHOLD_TRY(reader.optional_text(root, "description")));
    return {};
}

}  // namespace

Result<Document> parse_document(std::string_view text, std::string_view file) {
    const auto root = parse_yaml(text, YamlBounds{.bytes = kMaxFile});
    if (!root) {
        return fail(fmt::format("{}:{}", file, root.error().message));
    }
    const DocumentReader reader(file);
    ANCHORHOLD_TRY(reader.check_mapping(*root, "a policy",
                                        {"version", "kind", "name", "description", "allow", "ask",
                                         "deny", "credentials", "limits"}));
    Document document;
    document.info.set_file(std::string(file));
    document.info.set_sha256(sha256(text));
    ANCHORHOLD_TRY(read_info(reader, *root, file, document));
    if (document.info.kind() == proto::PolicyDocument::GRANT) {
        ANCHORHOLD_TRY(read_grant(reader, *root, document));
    } else {
        ANCHORHOLD_TRY(read_guardrail(reader, *root, document));
    }
    for (const YamlNode* entry : ANCHORHOLD_TRY(entries(reader, *root, "limits"))) {
        document.limits.push_back(ANCHORHOLD_TRY(read_limit(reader, *entry)));
    }
    return document;
}

Result<Document> load_document(const std::string& path) {
    const OwnFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file.valid()) {
        return fail_errno("open policy", path);
    }
    std::string text(kMaxFile + 1, '\0');
    size_t length = 0;
    while (length < text.size()) {
        const ssize_t count = ::read(file.get(), text.data() + length, text.size() - length);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail_errno("read policy", path);
        }
        if (count == 0) {
            break;
        }
        length += static_cast<size_t>(count);
    }
    text.resize(length);
    return parse_document(text, path);
}

}  // namespace anchorhold::policy
