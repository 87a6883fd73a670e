// Writing JSON text without a tree: pure ASCII, so that a log can be shown by anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anchorhold::supervisor {

// No string of a record is longer, in bytes before escaping; what is cut is counted behind it:
// "abc[+17 bytes]".
constexpr size_t kMaxRecordString = 4096;

// Appends `text` as a JSON string (RFC 8259 §7). Control characters and everything beyond ASCII
// become \uXXXX. A byte NN that is not UTF-8 becomes U+10FFNN, written \udbff\udfNN; so do the four
// bytes of a genuine U+10FF80 to U+10FFFF, so that every text has one spelling and comes back.
void append_json_string(std::string& out, std::string_view text);

// Appends ,"key":"text".
void append_field(std::string& out, std::string_view key, std::string_view text);
void append_field(std::string& out, std::string_view key, uint64_t number);
void append_number(std::string& out, uint64_t number);

// Appends nanoseconds since 1970 as RFC 3339 UTC: 2026-01-02T03:04:05.123456789Z. Remembers the
// last second.
class TimeText {
  public:
    void append(std::string& out, uint64_t time_ns);

  private:
    uint64_t second_ = UINT64_MAX;
    std::string text_;  // of second_, up to the point
};

}  // namespace anchorhold::supervisor
