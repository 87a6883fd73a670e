// Plain functions over nodes; no state but the file's name.
#include "policy/document_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "base/checked_math.h"
#include "base/log.h"
#include "policy/host_pattern.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxText = 512;

size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.size(); ++j) {
            const size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

std::string list_of(Words words) {
    std::string list;
    for (const std::string_view word : words) {
        list += list.empty() ? "" : ", ";
        list += word;
    }
    return list;
}

// A decimal number and what follows it.
struct Quantity {
    uint64_t number = 0;
    std::string_view unit;
};

std::optional<Quantity> parse_quantity(std::string_view text) {
    const auto* end = std::ranges::find_if_not(text, [](char c) { return c >= '0' && c <= '9'; });
    const auto length = static_cast<size_t>(end - text.begin());
    if (length == 0 || length > 19) {
        return std::nullopt;
    }
    Quantity quantity;
    for (const char digit : text.substr(0, length)) {
        quantity.number = quantity.number * 10 + static_cast<uint64_t>(digit - '0');
    }
    quantity.unit = text.substr(length);
    return quantity;
}

using Unit = std::pair<std::string_view, uint64_t>;
constexpr std::array<Unit, 14> kSizeUnits = {{{"", 1},
                                              {"B", 1},
                                              {"K", 1ULL << 10U},
                                              {"KiB", 1ULL << 10U},
                                              {"k", 1ULL << 10U},
                                              {"M", 1ULL << 20U},
                                              {"MiB", 1ULL << 20U},
                                              {"m", 1ULL << 20U},
                                              {"G", 1ULL << 30U},
                                              {"GiB", 1ULL << 30U},
                                              {"g", 1ULL << 30U},
                                              {"T", 1ULL << 40U},
                                              {"TiB", 1ULL << 40U},
                                              {"t", 1ULL << 40U}}};
constexpr std::array<Unit, 6> kTimeUnits = {
    {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}}};

template <size_t N>
std::optional<uint64_t> in_units(std::string_view text, const std::array<Unit, N>& units) {
    const auto quantity = parse_quantity(text);
    if (!quantity) {
        return std::nullopt;
    }
    const auto unit = std::ranges::find(units, quantity->unit, &Unit::first);
    if (unit == units.end()) {
        return std::nullopt;
    }
    return (Checked(quantity->number) * unit->second).value();
}

}  // namespace

std::string_view nearest_word(std::string_view word, Words known) {
    std::string_view nearest;
    size_t distance = std::max<size_t>(word.size() / 3, 1) + 1;
    for (const std::string_view candidate : known) {
        if (const size_t found = edit_distance(word.substr(0, 64), candidate); found < distance) {
            distance = found;
            nearest = candidate;
        }
    }
    return nearest;
}

tl::unexpected<Error> DocumentReader::refuse(const YamlNode& node, std::string_view why) const {
    return fail(fmt::format("{}:{}:{}: {}", file_, node.place.line, node.place.column, why));
}

Status DocumentReader::check_mapping(const YamlNode& node, std::string_view what,
                                     Words keys) const {
    if (node.kind != YamlNode::Kind::mapping) {
        return refuse(node, fmt::format("{} is a mapping of {}", what, list_of(keys)));
    }
    for (const auto& [key, value] : node.members) {
        if (std::ranges::find(keys, key.text) != keys.end()) {
            continue;
        }
        const std::string_view near = nearest_word(key.text, keys);
        const std::string help = near.empty() ? fmt::format("known are {}", list_of(keys))
                                              : fmt::format("did you mean '{}'?", near);
        return refuse(key,
                      fmt::format("{} has no '{}'; {}", what, log::escaped(key.text, 60), help));
    }
    return {};
}

const YamlNode* DocumentReader::find(const YamlNode& node, std::string_view key) {
    for (const auto& [name, value] : node.members) {
        if (name.text == key) {
            return &value;
        }
    }
    return nullptr;
}

Result<const YamlNode*> DocumentReader::find_either(const YamlNode& node, std::string_view one,
                                                    std::string_view many) const {
    const YamlNode* first = find(node, one);
    const YamlNode* second = find(node, many);
    if (first != nullptr && second != nullptr) {
        return refuse(*second, fmt::format("'{}' and '{}' are the same; keep one", one, many));
    }
    return first != nullptr ? first : second;
}

Result<const YamlNode*> DocumentReader::require(const YamlNode& node, std::string_view what,
                                                std::string_view key) const {
    const YamlNode* value = find(node, key);
    if (value == nullptr) {
        return refuse(node, fmt::format("{} needs '{}'", what, key));
    }
    return value;
}

Result<std::string> DocumentReader::text(const YamlNode& node, std::string_view what) const {
    if (node.kind != YamlNode::Kind::scalar || node.text.empty()) {
        return refuse(node, fmt::format("{} is a text", what));
    }
    if (node.text.size() > kMaxText) {
        return refuse(node, fmt::format("{} is longer than {} bytes", what, kMaxText));
    }
    return node.text;
}

Result<std::string> DocumentReader::optional_text(const YamlNode& node,
                                                  std::string_view key) const {
    const YamlNode* value = find(node, key);
    return value == nullptr ? Result<std::string>("") : text(*value, key);
}

Result<uint64_t> DocumentReader::number(const YamlNode& node, std::string_view what) const {
    const auto quantity =
        node.kind == YamlNode::Kind::scalar ? parse_quantity(node.text) : std::nullopt;
    if (!quantity || !quantity->unit.empty()) {
        return refuse(node, fmt::format("{} is a number", what));
    }
    return quantity->number;
}

Result<bool> DocumentReader::truth(const YamlNode& node, std::string_view what) const {
    if (node.kind == YamlNode::Kind::scalar && !node.quoted &&
        (node.text == "true" || node.text == "false")) {
        return node.text == "true";
    }
    return refuse(node, fmt::format("{} is true or false", what));
}

Result<uint64_t> DocumentReader::size(const YamlNode& node, std::string_view what) const {
    const auto bytes =
        node.kind == YamlNode::Kind::scalar ? in_units(node.text, kSizeUnits) : std::nullopt;
    if (!bytes || *bytes == 0 || *bytes > (1ULL << 62U)) {
        return refuse(node, fmt::format("{} is a size such as 64KiB or 10MiB", what));
    }
    return *bytes;
}

Result<uint32_t> DocumentReader::seconds(const YamlNode& node, std::string_view what) const {
    const auto duration =
        node.kind == YamlNode::Kind::scalar ? in_units(node.text, kTimeUnits) : std::nullopt;
    if (!duration || *duration == 0 || *duration > std::numeric_limits<int32_t>::max()) {
        return refuse(node, fmt::format("{} is a duration such as 30s, 5m, 1h or 1d", what));
    }
    return static_cast<uint32_t>(*duration);
}

Result<std::string> DocumentReader::word(const YamlNode& node, std::string_view what,
                                         Words known) const {
    if (node.kind == YamlNode::Kind::scalar && std::ranges::find(known, node.text) != known.end()) {
        return node.text;
    }
    const std::string_view near = nearest_word(node.text, known);
    const std::string help =
        near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near);
    return refuse(node, fmt::format("{} is one of {}{}", what, list_of(known), help));
}

Result<std::vector<const YamlNode*>> DocumentReader::items(const YamlNode& node,
                                                           std::string_view what) const {
    std::vector<const YamlNode*> found;
    if (node.kind == YamlNode::Kind::sequence) {
        for (const YamlNode& item : node.items) {
            found.push_back(&item);
        }
    } else if (node.kind != YamlNode::Kind::null) {
        found.push_back(&node);
    }
    if (found.empty()) {
        return refuse(node, fmt::format("{} is empty; leave it out, or name something", what));
    }
    return found;
}

Result<std::vector<std::string>> DocumentReader::texts(const YamlNode& node,
                                                       std::string_view what) const {
    std::vector<std::string> found;
    for (const YamlNode* item : ANCHORHOLD_TRY(items(node, what))) {
        found.push_back(ANCHORHOLD_TRY(text(*item, what)));
    }
    return found;
}

proto::Origin DocumentReader::origin(const YamlNode& node) {
    proto::Origin origin;
    origin.set_line(node.place.line);
    origin.set_column(node.place.column);
    return origin;
}

Status read_hosts(const DocumentReader& reader, const YamlNode& node,
                  google::protobuf::RepeatedPtrField<proto::HostPattern>& hosts) {
    const YamlNode* list = ANCHORHOLD_TRY(reader.find_either(node, "host", "hosts"));
    if (list == nullptr) {
        return {};
    }
    for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "hosts"))) {
        const std::string text = ANCHORHOLD_TRY(reader.text(*item, "a host"));
        auto pattern = parse_host_pattern(text);
        if (!pattern) {
            return reader.refuse(*item, pattern.error().message);
        }
        for (const proto::HostPattern& other : hosts) {
            if (host_pattern_text(other) == host_pattern_text(*pattern)) {
                return reader.refuse(*item, fmt::format("'{}' is listed twice", text));
            }
        }
        *hosts.Add() = std::move(*pattern);
    }
    return {};
}

Status read_ports(const DocumentReader& reader, const YamlNode& node,
                  google::protobuf::RepeatedField<uint32_t>& ports) {
    const YamlNode* list = ANCHORHOLD_TRY(reader.find_either(node, "port", "ports"));
    if (list == nullptr) {
        return {};
    }
    for (const YamlNode* item : ANCHORHOLD_TRY(reader.items(*list, "ports"))) {
        const uint64_t port = ANCHORHOLD_TRY(reader.number(*item, "a port"));
        if (port == 0 || port > 65535) {
            return reader.refuse(*item, "a port is between 1 and 65535");
        }
        if (std::ranges::find(ports, port) != ports.end()) {
            return reader.refuse(*item, fmt::format("port {} is listed twice", port));
        }
        ports.Add(static_cast<uint32_t>(port));
    }
    return {};
}

}  // namespace anchorhold::policy
