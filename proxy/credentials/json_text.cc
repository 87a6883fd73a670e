// A strict reader that keeps nothing but the path it is on.
#include "proxy/credentials/json_text.h"

#include <cstdint>
#include <unordered_set>

#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {

namespace {

constexpr size_t kMaxDepth = 64;

class Reader {
  public:
    Reader(std::string_view text, const std::function<void(const JsonPath&, JsonString)>& visit)
        : text_(text), visit_(visit) {}

    Status read() {
        space();
        ANCHORHOLD_TRY(value(0));
        space();
        return at_ == text_.size() ? Status{} : wrong("something after the value");
    }

  private:
    [[nodiscard]] Status wrong(std::string_view what) const {
        return fail("not JSON at byte " + std::to_string(at_) + ": " + std::string(what));
    }
    [[nodiscard]] bool next_is(char byte) const { return at_ < text_.size() && text_[at_] == byte; }
    bool take(char byte) {
        if (!next_is(byte)) {
            return false;
        }
        ++at_;
        return true;
    }
    void space() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) {
            ++at_;
        }
    }

    Status value(size_t depth) {
        if (depth > kMaxDepth) {
            return wrong("more than 64 levels");
        }
        if (at_ == text_.size()) {
            return wrong("it ends where a value should be");
        }
        switch (text_[at_]) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"': {
                const JsonString found = ANCHORHOLD_TRY(string());
                visit_(path_, found);
                return {};
            }
            case 't':
                return word("true");
            case 'f':
                return word("false");
            case 'n':
                return word("null");
            default:
                return number();
        }
    }

    Status word(std::string_view expected) {
        if (!text_.substr(at_).starts_with(expected)) {
            return wrong("an unknown word");
        }
        at_ += expected.size();
        return {};
    }

    bool digits() {
        const size_t start = at_;
        while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
            ++at_;
        }
        return at_ != start;
    }

    Status number() {
        take('-');
        if (!take('0') && !digits()) {
            return wrong("no value");
        }
        if (take('.') && !digits()) {
            return wrong("a broken number");
        }
        if (take('e') || take('E')) {
            if (!take('+')) {
                take('-');
            }
            if (!digits()) {
                return wrong("a broken number");
            }
        }
        return {};
    }

    Result<JsonString> string() {
        ++at_;
        JsonString found{at_, at_};
        while (at_ < text_.size()) {
            const auto byte = static_cast<uint8_t>(text_[at_]);
            if (byte == '"') {
                found.end = at_++;
                return found;
            }
            if (byte < 0x20) {
                break;
            }
            if (byte == '\\' && !escape()) {
                return fail("not JSON at byte " + std::to_string(at_) + ": a broken escape");
            }
            ++at_;
        }
        return fail("not JSON at byte " + std::to_string(at_) + ": a string without an end");
    }

    // Stands on the backslash; leaves on the escape's last byte.
    bool escape() {
        ++at_;
        if (at_ == text_.size()) {
            return false;
        }
        if (text_[at_] != 'u') {
            return std::string_view("\"\\/bfnrt").find(text_[at_]) != std::string_view::npos;
        }
        for (int i = 0; i < 4; ++i) {
            ++at_;
            if (at_ == text_.size() || hex_digit(text_[at_]) < 0) {
                return false;
            }
        }
        return true;
    }

    Status object(size_t depth) {
        ++at_;
        space();
        if (take('}')) {
            return {};
        }
        std::unordered_set<std::string> keys;
        do {
            space();
            if (!next_is('"')) {
                return wrong("no key");
            }
            const JsonString key = ANCHORHOLD_TRY(string());
            path_.push_back(json_unescape(text_.substr(key.begin, key.end - key.begin)));
            if (!keys.insert(path_.back()).second) {
                return wrong("a key twice in one object");
            }
            space();
            if (!take(':')) {
                return wrong("no colon after a key");
            }
            space();
            ANCHORHOLD_TRY(value(depth + 1));
            path_.pop_back();
            space();
        } while (take(','));
        return take('}') ? Status{} : wrong("an object without an end");
    }

    Status array(size_t depth) {
        ++at_;
        space();
        if (take(']')) {
            return {};
        }
        size_t position = 0;
        do {
            space();
            path_.push_back(std::to_string(position++));
            ANCHORHOLD_TRY(value(depth + 1));
            path_.pop_back();
            space();
        } while (take(','));
        return take(']') ? Status{} : wrong("an array without an end");
    }

    std::string_view text_;
    const std::function<void(const JsonPath&, JsonString)>& visit_;
    size_t at_ = 0;
    JsonPath path_;
};

}  // namespace

Result<JsonPath> parse_json_pointer(std::string_view pointer) {
    if (!pointer.starts_with('/')) {
        return fail("JSON pointer " + std::string(pointer) + ": it must begin with a slash");
    }
    JsonPath path;
    for (size_t i = 0; i < pointer.size(); ++i) {
        if (pointer[i] == '/') {
            path.emplace_back();
        } else if (pointer[i] != '~') {
            path.back().push_back(pointer[i]);
        } else if (i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
            path.back().push_back(pointer[++i] == '0' ? '~' : '/');
        } else {
            return fail("JSON pointer " + std::string(pointer) + ": ~ must be written ~0");
        }
    }
    return path;
}

Status visit_json_strings(std::string_view text,
                          const std::function<void(const JsonPath&, JsonString)>& visit) {
    return Reader(text, visit).read();
}

}  // namespace anchorhold::proxy
