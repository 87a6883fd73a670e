// A cursor over the fixed fields in front, and fixed offsets from the end.
#include "supervisor/audit/log_line.h"

#include <algorithm>
#include <charconv>

#include "supervisor/audit/digest.h"
#include "supervisor/audit/record_chain.h"

namespace anchorhold::supervisor {
namespace {

class Cursor {
  public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    bool skip(std::string_view literal) {
        if (!rest_.starts_with(literal)) {
            return false;
        }
        rest_.remove_prefix(literal.size());
        return true;
    }
    std::optional<uint64_t> number() {
        uint64_t value = 0;
        const auto parsed = std::from_chars(rest_.begin(), rest_.end(), value);
        if (parsed.ec != std::errc() || rest_.front() == '0') {
            return std::nullopt;
        }
        rest_.remove_prefix(static_cast<size_t>(parsed.ptr - rest_.begin()));
        return value;
    }
    // The inside of a JSON string whose opening quote was skipped; skips the closing one.
    std::optional<std::string_view> string() {
        for (size_t i = 0; i < rest_.size(); ++i) {
            if (rest_[i] == '\\') {
                ++i;
            } else if (rest_[i] == '"') {
                const std::string_view inside = rest_.substr(0, i);
                rest_.remove_prefix(i + 1);
                return inside;
            }
        }
        return std::nullopt;
    }

  private:
    std::string_view rest_;
};

bool is_printable(char c) {
    return c >= 0x20 && c < 0x7f;
}

// Takes prev and mac off the end; false when they are not there.
bool take_tail(std::string_view& line, LogLine& into) {
    constexpr size_t kTail =
        kPrevKey.size() + kHexSize + kMacKey.size() + kHexSize + kLineEnd.size();
    if (line.size() < kTail) {
        return false;
    }
    std::string_view tail = line.substr(line.size() - kTail);
    const auto take = [&](size_t size) {
        const std::string_view taken = tail.substr(0, size);
        tail.remove_prefix(size);
        return taken;
    };
    const bool framed = take(kPrevKey.size()) == kPrevKey && from_hex(take(kHexSize), into.prev) &&
                        take(kMacKey.size()) == kMacKey && from_hex(take(kHexSize), into.mac) &&
                        tail == kLineEnd;
    into.maced = line.substr(0, line.size() - kMacKey.size() - kHexSize - kLineEnd.size());
    line.remove_suffix(kTail);
    return framed;
}

}  // namespace

std::optional<LogLine> parse_log_line(std::string_view line) {
    LogLine parsed;
    if (!std::all_of(line.begin(), line.end(), is_printable) || !take_tail(line, parsed)) {
        return std::nullopt;
    }
    Cursor cursor(line);
    std::optional<uint64_t> number;
    std::optional<std::string_view> time;
    std::optional<std::string_view> sandbox;
    std::optional<std::string_view> event;
    const bool framed =
        cursor.skip("{\"n\":") && (number = cursor.number()) && cursor.skip(",\"time\":\"") &&
        (time = cursor.string()) && cursor.skip(",\"sandbox\":\"") && (sandbox = cursor.string()) &&
        cursor.skip(",\"principal\":\"") && cursor.string() && cursor.skip(",\"parent\":\"") &&
        cursor.string() && cursor.skip(",\"policy\":\"") && cursor.string() &&
        cursor.skip(",\"budget\":\"") && cursor.string() && cursor.skip(",\"event\":\"") &&
        (event = cursor.string());
    if (!framed) {
        return std::nullopt;
    }
    parsed.n = *number;
    parsed.time = *time;
    parsed.sandbox = *sandbox;
    parsed.event = *event;
    return parsed;
}

}  // namespace anchorhold::supervisor
