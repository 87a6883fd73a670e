// proto/exec.proto's words as proto/audit.proto's.
#include "cli/command_record.h"

#include <variant>
#include <vector>

#include "supervisor/window/sandbox_events.h"

namespace anchorhold::cli {
namespace {

constexpr size_t kMostBytes = 1024;
constexpr size_t kMostError = 512;

}  // namespace

proto::AuditEvent command_executed(uint64_t number, const proto::ExecStart& start) {
    proto::AuditEvent event;
    proto::CommandExecuted& executed = *event.mutable_exec();
    executed.set_number(number);
    const std::vector<std::string> words(start.argv().begin(), start.argv().end());
    supervisor::add_bounded(*executed.mutable_argv(), words);
    executed.set_user(start.user().substr(0, kMostError));
    executed.set_working_directory(start.working_directory().substr(0, kMostBytes));
    return event;
}

proto::AuditEvent command_ended(uint64_t number, const exec::Outcome& outcome, Duration duration) {
    proto::AuditEvent event;
    proto::CommandEnded& ended = *event.mutable_exec_ended();
    ended.set_number(number);
    ended.set_duration_ns(static_cast<uint64_t>(duration.count()));
    if (const auto* exited = std::get_if<exec::Exited>(&outcome)) {
        ended.set_status(exited->code);
        ended.set_signal(static_cast<uint32_t>(exited->signal));
        ended.set_out_of_memory(exited->out_of_memory);
    } else if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
        ended.set_error("never ran: " + refused->message.substr(0, kMostError));
    } else {
        ended.set_error("lost: " + std::get<exec::Lost>(outcome).message.substr(0, kMostError));
    }
    return event;
}

}  // namespace anchorhold::cli
