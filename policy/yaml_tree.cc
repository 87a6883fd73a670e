// The handler refuses by throwing: yaml-cpp has no other way to stop, and it is caught here.
#include "policy/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <sstream>

#include "base/log.h"
#include "policy/percent.h"

namespace anchorhold::policy {
namespace {

struct Refused {
    YamlPlace place;
    std::string why;
};

YamlPlace place_of(const YAML::Mark& mark) {
    return {static_cast<uint32_t>(std::max(mark.line, 0)) + 1,
            static_cast<uint32_t>(std::max(mark.column, 0)) + 1};
}

class TreeBuilder final : public YAML::EventHandler {
  public:
    explicit TreeBuilder(const YamlBounds& bounds) : bounds_(bounds) {}

    void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
    void OnDocumentEnd() override {}
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
        throw Refused{place_of(mark), "aliases are not allowed; write it out"};
    }
    void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override {
        throw Refused{place_of(mark), "anchors are not allowed"};
    }
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        add(node(YamlNode::Kind::null, mark, anchor, ""));
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        // yaml-cpp's tags of scalars without one: "?" plain, "!" quoted or block.
        const bool quoted = tag == "!";
        YamlNode scalar = node(YamlNode::Kind::scalar, mark, anchor, quoted ? "?" : tag);
        scalar.text = value;
        scalar.quoted = quoted;
        if (!quoted && (value == "~" || value == "null")) {
            scalar.kind = YamlNode::Kind::null;
        }
        add(std::move(scalar));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        open(node(YamlNode::Kind::sequence, mark, anchor, tag));
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        open(node(YamlNode::Kind::mapping, mark, anchor, tag));
    }
    void OnMapEnd() override { close(); }

    YamlNode take() { return std::move(root_); }

  private:
    struct Open {
        YamlNode node;
        bool has_key = false;
        YamlNode key;
    };

    YamlNode node(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor,
                  const std::string& tag) {
        YamlNode made;
        made.kind = kind;
        made.place = place_of(mark);
        if (anchor != 0) {
            throw Refused{made.place, "anchors are not allowed"};
        }
        if (!tag.empty() && tag != "?" && tag != "!") {
            throw Refused{made.place, "tags are not allowed"};
        }
        if (++nodes_ > bounds_.nodes) {
            throw Refused{made.place, fmt::format("more than {} values", bounds_.nodes)};
        }
        return made;
    }

    void open(YamlNode node) {
        if (open_.size() == bounds_.depth) {
            throw Refused{node.place, fmt::format("nested more than {} deep", bounds_.depth)};
        }
        const bool as_key = !open_.empty() && open_.back().node.kind == YamlNode::Kind::mapping &&
                            !open_.back().has_key;
        if (as_key) {
            throw Refused{node.place, "a key must be a plain word"};
        }
        open_.push_back(Open{.node = std::move(node), .has_key = false, .key = {}});
    }

    void close() {
        YamlNode done = std::move(open_.back().node);
        open_.pop_back();
        add(std::move(done));
    }

    void add(YamlNode node) {
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == YamlNode::Kind::sequence) {
            parent.node.items.push_back(std::move(node));
            return;
        }
        if (parent.has_key) {
            parent.node.members.push_back(YamlMember{std::move(parent.key), std::move(node)});
            parent.has_key = false;
            return;
        }
        add_key(parent, std::move(node));
    }

    static void add_key(Open& parent, YamlNode key) {
        if (key.kind != YamlNode::Kind::scalar) {
            throw Refused{key.place, "a key must be a plain word"};
        }
        for (const auto& [other, value] : parent.node.members) {
            if (other.text == key.text) {
                throw Refused{key.place,
                              fmt::format("'{}' is here a second time; the first is on line {}",
                                          log::escaped(key.text, 60), other.place.line)};
            }
        }
        parent.key = std::move(key);
        parent.has_key = true;
    }

    const YamlBounds& bounds_;
    YamlNode root_;
    std::vector<Open> open_;
    size_t nodes_ = 0;
};

tl::unexpected<Error> refused(YamlPlace place, std::string_view why) {
    return fail(fmt::format("{}:{}: {}", place.line, place.column, why));
}

Status check_text(std::string_view text, const YamlBounds& bounds) {
    if (text.size() > bounds.bytes) {
        return refused({}, fmt::format("the file is longer than {} KiB", bounds.bytes >> 10U));
    }
    if (!is_utf8(text)) {
        return refused({}, "the file is not UTF-8");
    }
    YamlPlace place;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f) {
            return refused(place, "a control character");
        }
        place.column = c == '\n' ? 1 : place.column + 1;
        place.line += c == '\n' ? 1 : 0;
    }
    return {};
}

}  // namespace

Result<YamlNode> parse_yaml(std::string_view text, const YamlBounds& bounds) {
    ANCHORHOLD_TRY(check_text(text, bounds));
    TreeBuilder builder(bounds);
    try {
        std::istringstream in{std::string(text)};
        YAML::Parser parser(in);
        if (!parser.HandleNextDocument(builder)) {
            return refused({}, "the file is empty");
        }
        TreeBuilder second(bounds);
        if (parser.HandleNextDocument(second)) {
            return refused({}, "a second YAML document; write one file for each");
        }
    } catch (const Refused& refusal) {
        return refused(refusal.place, refusal.why);
    } catch (const YAML::Exception& error) {
        return refused(place_of(error.mark), log::escaped(error.msg, 200));
    } catch (const std::exception& error) {
        return refused({}, log::escaped(error.what(), 200));
    }
    return builder.take();
}

}  // namespace anchorhold::policy
