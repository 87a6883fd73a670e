// The folder of all logs: names, lists, and finding one by the beginning of its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::supervisor {

// $XDG_STATE_HOME/anchorhold/audit, or its place below $HOME.
[[nodiscard]] Result<std::string> default_audit_folder();

// [A-Za-z0-9][A-Za-z0-9._-]{0,127}: a folder's name that no path can hide in.
[[nodiscard]] bool is_log_name(std::string_view name);

struct LogEntry {
    std::string sandbox;
    uint64_t size = 0;        // of log.jsonl, in bytes
    uint64_t changed_ns = 0;  // since 1970
};

// Newest first. A folder that does not exist has none.
[[nodiscard]] Result<std::vector<LogEntry>> list_logs(const std::string& folder);

// The sandbox that `given` names: its whole name, an unambiguous beginning of it, or "last" for the
// one whose log changed last.
[[nodiscard]] Result<std::string> find_log(const std::string& folder, std::string_view given);

// <folder>/<sandbox>/log.jsonl
[[nodiscard]] std::string log_path(const std::string& folder, std::string_view sandbox);
// <folder>/<sandbox>/state
[[nodiscard]] std::string state_path(const std::string& folder, std::string_view sandbox);

}  // namespace anchorhold::supervisor
