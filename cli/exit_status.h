// The exit statuses of `anchorhold run`, after those of other programs that run programs.
#pragma once

#include "exec/client.h"

namespace anchorhold::cli {

constexpr int kExitTimedOut = 124;
constexpr int kExitFailed = 125;  // Anchorhold itself failed
constexpr int kExitCannotExecute = 126;
constexpr int kExitNotFound = 127;
constexpr int kExitSignalBase = 128;  // plus the number of the signal that killed the command

// The status for how a command ended; Lost is kExitFailed.
[[nodiscard]] int exit_status(const exec::Outcome& outcome);

}  // namespace anchorhold::cli
