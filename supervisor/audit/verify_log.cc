// A log's folder: its lines, its state, and its place among the other logs.
#include <fcntl.h>
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/sys.h"
#include "supervisor/audit/line_reader.h"
#include "supervisor/audit/log_folder.h"
#include "supervisor/audit/record_fields.h"
#include "supervisor/audit/verify.h"

namespace anchorhold::supervisor {
namespace {

struct Beginning {
    uint64_t serial = 0;
    std::string time;
};

// What the first record of a log says; nullopt when it cannot be read.
std::optional<Beginning> beginning_of(const std::string& path) {
    const auto log = sys::open(path, O_RDONLY);
    if (!log) {
        return std::nullopt;
    }
    LineReader reader(log->get());
    const auto line = reader.next();
    if (!line || !line->has_value()) {
        return std::nullopt;
    }
    const auto fields = nlohmann::json::parse((*line)->text, nullptr, false);
    return fields.is_object() ? std::optional(Beginning{number_field(fields, "serial"),
                                                        string_field(fields, "time")})
                              : std::nullopt;
}

// A log made to replace another cannot have an old serial number, and so stands out of line among
// the others when it claims an old time.
void compare_with_others(const std::string& folder, const std::string& sandbox,
                         VerifyReport& report) {
    const auto entries = list_logs(folder);
    if (!entries || report.serial == 0) {
        return;
    }
    for (const LogEntry& entry : *entries) {
        const auto other =
            entry.sandbox == sandbox ? std::nullopt : beginning_of(log_path(folder, entry.sandbox));
        if (!other || other->serial == 0) {
            continue;
        }
        if (other->serial == report.serial) {
            report.findings.push_back(
                {1, 1,
                 fmt::format("the log has the serial number {} of the log of {}", report.serial,
                             entry.sandbox)});
        } else if ((other->serial < report.serial) != (other->time < report.began)) {
            report.notes.push_back(fmt::format(
                "this log is number {} and the log of {} number {}, but their first times say "
                "otherwise: the clock was set back, or one of them was made later than it says",
                report.serial, entry.sandbox, other->serial));
        }
    }
}

}  // namespace

Result<VerifyReport> verify_log(const std::string& folder, const std::string& sandbox,
                                VerifyOptions options) {
    const OwnFd log = ANCHORHOLD_TRY(sys::open(log_path(folder, sandbox), O_RDONLY));
    // The state first: a writer at work only makes the log longer than it says.
    std::optional<RatchetState> state;
    if (const auto fd = sys::open(state_path(folder, sandbox), O_RDONLY)) {
        state = ANCHORHOLD_TRY(read_state(fd->get()));
    }
    LogChecker checker(sandbox, std::move(options));
    LineReader reader(log.get());
    for (;;) {
        const auto line = ANCHORHOLD_TRY(reader.next());
        if (!line) {
            break;
        }
        checker.line(line->text, line->whole ? LogChecker::End::newline : LogChecker::End::torn);
        if (!line->whole) {
            break;
        }
    }
    VerifyReport report = checker.finish(state);
    compare_with_others(folder, sandbox, report);
    return report;
}

}  // namespace anchorhold::supervisor
