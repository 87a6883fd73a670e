// A record as a line for people.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace anchorhold::supervisor {

enum class Colour { off, on };

// "08:17:19.123  deny      GET https://api.example/x  no_rule: …". Whatever the record holds, the
// line is printable ASCII, apart from our own colours for denials and for what needs attention.
[[nodiscard]] std::string record_text(const nlohmann::json& record, Colour colour);

// "1.5 KiB", "12 ms".
[[nodiscard]] std::string size_text(uint64_t bytes);
[[nodiscard]] std::string duration_text(uint64_t nanoseconds);

}  // namespace anchorhold::supervisor
