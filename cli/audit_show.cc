// Lines in, lines out; inotify tells when there are more.
#include "cli/audit_show.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/sys.h"
#include "cli/run_report.h"
#include "cli/terminal.h"
#include "supervisor/audit/export.h"
#include "supervisor/audit/line_reader.h"
#include "supervisor/audit/record_fields.h"
#include "supervisor/audit/record_text.h"

namespace anchorhold::cli {
namespace {

class Printer {
  public:
    explicit Printer(const AuditShow& show)
        : show_(show),
          colour_(is_terminal(STDOUT_FILENO) ? supervisor::Colour::on : supervisor::Colour::off) {}

    void print(std::string_view line) {
        ++line_;
        const auto record = nlohmann::json::parse(line, nullptr, false);
        if (!record.is_object()) {
            ++skipped_;
            print_error(fmt::format(
                "line {} of the log is no record; see `anchorhold audit verify`", line_));
            return;
        }
        const std::string event = supervisor::string_field(record, "event");
        ended_ = event == "ended" || (ended_ && event != "started");
        // Also of what is not shown: an outcome is exported with its request.
        const std::string text = text_of(record);
        if (show_.filter.matches(record)) {
            fmt::print("{}\n", text);
        }
    }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] size_t skipped() const { return skipped_; }

  private:
    std::string text_of(const nlohmann::json& record) {
        switch (show_.format) {
            case AuditShow::Format::text:
                return supervisor::record_text(record, colour_);
            case AuditShow::Format::ocsf:
                return ocsf_.event(record);
            case AuditShow::Format::otel:
                return supervisor::otel_request(record);
            case AuditShow::Format::jsonl:
                break;
        }
        // Written anew: pure ASCII also where somebody changed the file.
        return record.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    }

    const AuditShow& show_;
    const supervisor::Colour colour_;
    supervisor::OcsfExport ocsf_;
    size_t line_ = 0;
    size_t skipped_ = 0;
    bool ended_ = false;
};

// Blocks until the file changed.
Status wait_for_change(int inotify) {
    std::array<char, 4096> events;
    while (::read(inotify, events.data(), events.size()) < 0) {
        if (errno != EINTR) {
            return fail_errno("read", "inotify");
        }
    }
    return {};
}

}  // namespace

Result<size_t> show_audit_log(const AuditShow& show) {
    const OwnFd log = ANCHORHOLD_TRY(sys::open(show.path, O_RDONLY));
    OwnFd changes;
    if (show.until == AuditShow::Until::end_of_sandbox) {
        // Watched before it is read, so that no change falls between.
        changes.reset(::inotify_init1(IN_CLOEXEC));
        if (!changes.valid() ||
            ::inotify_add_watch(changes.get(), show.path.c_str(), IN_MODIFY) < 0) {
            return fail_errno("inotify", show.path);
        }
    }
    Printer printer(show);
    supervisor::LineReader reader(log.get());
    for (;;) {
        const auto line = ANCHORHOLD_TRY(reader.next());
        if (line && line->whole) {
            printer.print(line->text);
            continue;
        }
        std::fflush(stdout);
        if (!changes.valid() || printer.ended()) {
            return printer.skipped();
        }
        ANCHORHOLD_TRY(wait_for_change(changes.get()));
    }
}

}  // namespace anchorhold::cli
