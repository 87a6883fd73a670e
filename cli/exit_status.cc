// Outcomes as numbers.
#include "cli/exit_status.h"

namespace anchorhold::cli {
namespace {

int refusal_status(proto::ExecRefused::Reason reason) {
    switch (reason) {
        case proto::ExecRefused::NOT_FOUND:
            return kExitNotFound;
        case proto::ExecRefused::CANNOT_EXECUTE:
            return kExitCannotExecute;
        default:
            return kExitFailed;
    }
}

}  // namespace

int exit_status(const exec::Outcome& outcome) {
    if (const auto* exited = std::get_if<exec::Exited>(&outcome)) {
        return exited->signal != 0 ? kExitSignalBase + exited->signal : exited->code;
    }
    if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
        return refusal_status(refused->reason);
    }
    return kExitFailed;
}

}  // namespace anchorhold::cli
