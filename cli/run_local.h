// `anchorhold run` on a host with KVM: one sandbox in this process, one command in it.
#pragma once

#include "cli/run_options.h"
#include "supervisor/installation.h"

namespace anchorhold::cli {

// Runs the command and returns the exit status of the whole (cli/exit_status.h). Errors are printed
// to stderr, one line.
int run_local(const supervisor::Installation& installation, const RunOptions& options);

}  // namespace anchorhold::cli
