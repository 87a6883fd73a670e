// `anchorhold run` where this host has no usable KVM.
#pragma once

#include "cli/run_options.h"
#include "supervisor/installation.h"

namespace anchorhold::cli {

// Runs it in the emulated host. Files named by path are lent to the machine for as long as it runs.
int run_in_machine(const supervisor::Installation& installation, const RunOptions& options);

}  // namespace anchorhold::cli
