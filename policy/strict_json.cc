// A SAX handler builds the value, because the library's own parser takes the last of duplicate
// keys.
#include "policy/strict_json.h"

#include <algorithm>
#include <string>
#include <vector>

namespace anchorhold::policy {
namespace {

using Json = nlohmann::json;

class Builder final : public nlohmann::json_sax<Json> {
  public:
    explicit Builder(const JsonBounds& bounds) : bounds_(bounds) {}

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t& /*text*/) override {
        return add(value);
    }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t& /*value*/) override { return refuse("binary"); }
    bool start_object(size_t /*elements*/) override { return open(Json::object()); }
    bool start_array(size_t /*elements*/) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (open_.back()->contains(name)) {
            return refuse("a key is there twice");
        }
        key_ = std::move(name);
        return true;
    }
    bool parse_error(size_t /*position*/, const std::string& /*token*/,
                     const nlohmann::detail::exception& /*error*/) override {
        return refuse("not JSON");
    }

    Json take() { return std::move(root_); }
    [[nodiscard]] const char* why() const { return why_; }

  private:
    bool refuse(const char* why) {
        why_ = why;
        return false;
    }

    Json* place(Json&& value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Json& parent = *open_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(value));
            return &parent.back();
        }
        return &(parent[std::move(key_)] = std::move(value));
    }

    template <typename Value>
    bool add(Value&& value) {
        if (++values_ > bounds_.values) {
            return refuse("too many values");
        }
        place(Json(std::forward<Value>(value)));
        return true;
    }

    bool open(Json&& value) {
        if (++values_ > bounds_.values) {
            return refuse("too many values");
        }
        if (open_.size() == bounds_.depth) {
            return refuse("nested too deeply");
        }
        open_.push_back(place(std::move(value)));
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    const JsonBounds& bounds_;
    Json root_;
    // The containers that are open, outermost first. A parent does not grow while a child is open,
    // so the addresses hold.
    std::vector<Json*> open_;
    std::string key_;
    size_t values_ = 0;
    const char* why_ = "not JSON";
};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
    return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

Result<nlohmann::json> parse_strict_json(std::string_view text, const JsonBounds& bounds) {
    if (text.size() > bounds.bytes) {
        return fail("longer than the bound");
    }
    if (text.starts_with("\xef\xbb\xbf")) {
        return fail("a byte order mark");
    }
    Builder builder(bounds);
    if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
        return fail(builder.why());
    }
    return builder.take();
}

bool is_json_content_type(std::string_view content_type) {
    const size_t semicolon = content_type.find(';');
    if (!equals_ignoring_case(trimmed(content_type.substr(0, semicolon)), "application/json")) {
        return false;
    }
    if (semicolon == std::string_view::npos) {
        return true;
    }
    const std::string_view parameter = trimmed(content_type.substr(semicolon + 1));
    return parameter.empty() || equals_ignoring_case(parameter, "charset=utf-8") ||
           equals_ignoring_case(parameter, "charset=\"utf-8\"");
}

}  // namespace anchorhold::policy
