// One sub-folder for each sandbox.
#include "supervisor/audit/log_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/log.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMaxName = 128;

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

Result<std::string> default_audit_folder() {
    const char* state = std::getenv("XDG_STATE_HOME");  // NOLINT(concurrency-mt-unsafe)
    if (state != nullptr && state[0] == '/') {
        return std::string(state) + "/anchorhold/audit";
    }
    const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
    if (home != nullptr && home[0] == '/') {
        return std::string(home) + "/.local/state/anchorhold/audit";
    }
    return fail("no place for the audit log: set XDG_STATE_HOME or HOME to an absolute path");
}

bool is_log_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && is_alphanumeric(name.front()) &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
           });
}

Result<std::vector<LogEntry>> list_logs(const std::string& folder) {
    std::vector<LogEntry> entries;
    std::error_code failed;
    std::filesystem::directory_iterator folders(folder, failed);
    if (failed) {
        return failed == std::errc::no_such_file_or_directory
                   ? Result<std::vector<LogEntry>>(entries)
                   : fail_errno(failed.value(), "open", folder);
    }
    for (; folders != std::filesystem::directory_iterator(); folders.increment(failed)) {
        const std::string name = folders->path().filename();
        struct stat status {};
        if (is_log_name(name) && ::stat(log_path(folder, name).c_str(), &status) == 0) {
            entries.push_back({name, static_cast<uint64_t>(status.st_size),
                               static_cast<uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                                   static_cast<uint64_t>(status.st_mtim.tv_nsec)});
        }
        if (failed) {
            break;
        }
    }
    std::sort(entries.begin(), entries.end(), [](const LogEntry& a, const LogEntry& b) {
        return std::pair(b.changed_ns, a.sandbox) < std::pair(a.changed_ns, b.sandbox);
    });
    return entries;
}

Result<std::string> find_log(const std::string& folder, std::string_view given) {
    const std::vector<LogEntry> entries = ANCHORHOLD_TRY(list_logs(folder));
    if (entries.empty()) {
        return fail("there is no audit log in " + folder);
    }
    if (given == "last") {
        return entries.front().sandbox;
    }
    std::vector<std::string> matching;
    for (const LogEntry& entry : entries) {
        if (entry.sandbox == given) {
            return entry.sandbox;
        }
        if (!given.empty() && entry.sandbox.starts_with(given)) {
            matching.push_back(entry.sandbox);
        }
    }
    if (matching.size() == 1) {
        return matching.front();
    }
    const std::string name = "'" + log::escaped(given, 128) + "'";
    if (matching.empty()) {
        return fail("no sandbox " + name + " in the audit log; `anchorhold audit list` shows them");
    }
    return fail(name + " could be " + matching[0] + " or " + matching[1] +
                "; write more of its name");
}

std::string log_path(const std::string& folder, std::string_view sandbox) {
    return folder + "/" + std::string(sandbox) + "/log.jsonl";
}

std::string state_path(const std::string& folder, std::string_view sandbox) {
    return folder + "/" + std::string(sandbox) + "/state";
}

}  // namespace anchorhold::supervisor
