// One line of a log taken apart, far enough to check it. The file is not trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "supervisor/audit/audit_keys.h"

namespace anchorhold::supervisor {

// Views into the line.
struct LogLine {
    uint64_t n = 0;
    std::string_view time;
    std::string_view sandbox;  // as written, still escaped
    std::string_view event;
    std::string_view maced;  // what the MAC covers
    Sha256 prev{};
    Sha256 mac{};
};

// nullopt: not a record. Accepts exactly the frame that RecordChain writes; what is between event
// and prev is printable ASCII and otherwise for the MAC to judge.
[[nodiscard]] std::optional<LogLine> parse_log_line(std::string_view line);

}  // namespace anchorhold::supervisor
