// Escapes, numbers, times.
#include "supervisor/audit/json_text.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <ctime>

namespace anchorhold::supervisor {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr uint64_t kNanoseconds = 1'000'000'000;
constexpr uint32_t kFirstMarker = 0x10FF80;  // stands for a byte that is not UTF-8

constexpr std::array<bool, 256> kPlain = [] {
    std::array<bool, 256> plain{};
    for (size_t c = 0x20; c < 0x7f; ++c) {
        plain[c] = c != '"' && c != '\\';
    }
    return plain;
}();

void append_unit(std::string& out, uint32_t unit) {
    const char escape[] = {'\\',
                           'u',
                           kHexDigits[unit >> 12 & 15],
                           kHexDigits[unit >> 8 & 15],
                           kHexDigits[unit >> 4 & 15],
                           kHexDigits[unit & 15]};
    out.append(escape, sizeof escape);
}

void append_code_point(std::string& out, uint32_t code_point) {
    if (code_point < 0x10000) {
        append_unit(out, code_point);
        return;
    }
    append_unit(out, 0xD800 + ((code_point - 0x10000) >> 10));
    append_unit(out, 0xDC00 + ((code_point - 0x10000) & 0x3FF));
}

struct CodePoint {
    uint32_t value = 0;
    size_t size = 0;  // 0: not UTF-8
};

// One code point beyond ASCII (RFC 3629 §3, §4): shortest form, no surrogates.
CodePoint decode(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) {
        return {};
    }
    uint32_t value = lead & (0xFFU >> (size + 1));
    for (size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) {
            return {};
        }
        value = value << 6 | (byte(i) & 0x3FU);
    }
    constexpr uint32_t kSmallest[] = {0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < kSmallest[size - 2] || surrogate || value >= kFirstMarker) {
        return {};
    }
    return {value, size};
}

// One character that is not plain; returns its size.
size_t append_escaped(std::string& out, std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first == '"' || first == '\\') {
        out.push_back('\\');
        out.push_back(text.front());
        return 1;
    }
    if (first < 0x80) {
        append_unit(out, first);
        return 1;
    }
    const CodePoint found = decode(text);
    if (found.size == 0) {
        append_code_point(out, kFirstMarker + (first - 0x80U));
        return 1;
    }
    append_code_point(out, found.value);
    return found.size;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    std::string_view rest = text.substr(0, kMaxRecordString);
    out.push_back('"');
    while (!rest.empty()) {
        size_t run = 0;
        while (run < rest.size() && kPlain[static_cast<unsigned char>(rest[run])]) {
            ++run;
        }
        out.append(rest.data(), run);
        rest.remove_prefix(run);
        if (!rest.empty()) {
            rest.remove_prefix(append_escaped(out, rest));
        }
    }
    if (text.size() > kMaxRecordString) {
        out += fmt::format("[+{} bytes]", text.size() - kMaxRecordString);
    }
    out.push_back('"');
}

void append_field(std::string& out, std::string_view key, std::string_view text) {
    out.append(",\"").append(key).append("\":");
    append_json_string(out, text);
}

void append_field(std::string& out, std::string_view key, uint64_t number) {
    out.append(",\"").append(key).append("\":");
    append_number(out, number);
}

void append_number(std::string& out, uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number);
    out.append(digits, end.ptr);
}

void TimeText::append(std::string& out, uint64_t time_ns) {
    const uint64_t second = time_ns / kNanoseconds;
    if (second != second_) {
        second_ = second;
        const auto wide = static_cast<time_t>(second);
        std::tm utc{};
        ::gmtime_r(&wide, &utc);
        text_ = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.", utc.tm_year + 1900,
                            utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
    }
    out.append(text_);
    char digits[] = "000000000Z";
    uint64_t rest = time_ns % kNanoseconds;
    for (size_t i = 9; i-- > 0; rest /= 10) {
        digits[i] = static_cast<char>('0' + rest % 10);
    }
    out.append(digits, 10);
}

}  // namespace anchorhold::supervisor
