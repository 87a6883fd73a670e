// Values out of a YAML tree, each with an error that names its place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/yaml_tree.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

using Words = std::initializer_list<std::string_view>;

// The nearest of `known` to a mistyped word, or empty when none is near.
std::string_view nearest_word(std::string_view word, Words known);

// Reads nodes of one file.
class DocumentReader {
  public:
    explicit DocumentReader(std::string_view file) : file_(file) {}

    // "file:line:column: why"
    [[nodiscard]] tl::unexpected<Error> refuse(const YamlNode& node, std::string_view why) const;

    // `node` is a mapping with no key besides these.
    Status check_mapping(const YamlNode& node, std::string_view what, Words keys) const;
    // The value of a key, or null. `node` is a mapping.
    static const YamlNode* find(const YamlNode& node, std::string_view key);
    // At most one of the two keys, as for host and hosts.
    Result<const YamlNode*> find_either(const YamlNode& node, std::string_view one,
                                        std::string_view many) const;
    // The value of a key that must be there.
    Result<const YamlNode*> require(const YamlNode& node, std::string_view what,
                                    std::string_view key) const;

    // A non-empty text of at most 512 bytes.
    Result<std::string> text(const YamlNode& node, std::string_view what) const;
    // The text of `key`, or empty when it is not there.
    Result<std::string> optional_text(const YamlNode& node, std::string_view key) const;
    Result<uint64_t> number(const YamlNode& node, std::string_view what) const;
    Result<bool> truth(const YamlNode& node, std::string_view what) const;
    // "10MiB", "64K", 4096: bytes. K, M, G, T are powers of 1024.
    Result<uint64_t> size(const YamlNode& node, std::string_view what) const;
    // "30s", "5m", "1h", "1d": whole seconds, at least 1.
    Result<uint32_t> seconds(const YamlNode& node, std::string_view what) const;
    // One word of a list.
    Result<std::string> word(const YamlNode& node, std::string_view what, Words known) const;
    // The items of a sequence, or the node itself where one value stands for a list of one. Never
    // empty.
    Result<std::vector<const YamlNode*>> items(const YamlNode& node, std::string_view what) const;
    Result<std::vector<std::string>> texts(const YamlNode& node, std::string_view what) const;

    [[nodiscard]] static proto::Origin origin(const YamlNode& node);

  private:
    std::string file_;
};

// The parts of a document; each reads one entry of its list.
Result<proto::Rule> read_rule(const DocumentReader& reader, const YamlNode& node,
                              proto::Rule::Effect effect);
Result<proto::Binding> read_binding(const DocumentReader& reader, const YamlNode& node);

// host/hosts and port/ports, as rules, credentials and limits have them.
Status read_hosts(const DocumentReader& reader, const YamlNode& node,
                  google::protobuf::RepeatedPtrField<proto::HostPattern>& hosts);
Status read_ports(const DocumentReader& reader, const YamlNode& node,
                  google::protobuf::RepeatedField<uint32_t>& ports);

}  // namespace anchorhold::policy
