// A YAML document as a small tree with places, from yaml-cpp's events: no anchors, aliases, tags or
// second documents, bounded, and no exception comes out of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::policy {

// Lines and columns count from 1.
struct YamlPlace {
    uint32_t line = 1;
    uint32_t column = 1;
};

struct YamlMember;

struct YamlNode {
    enum class Kind { null, scalar, sequence, mapping };
    Kind kind = Kind::null;
    YamlPlace place;
    std::string text;     // of a scalar
    bool quoted = false;  // written in quotes or as a block: never a number or a bool
    std::vector<YamlNode> items;
    std::vector<YamlMember> members;  // no two with one key
};

struct YamlMember {
    YamlNode key;  // a scalar
    YamlNode value;
};

struct YamlBounds {
    size_t bytes = size_t{256} << 10;
    size_t depth = 16;
    size_t nodes = 50'000;
};

// An error begins with "line:column: ".
Result<YamlNode> parse_yaml(std::string_view text, const YamlBounds& bounds = {});

}  // namespace anchorhold::policy
