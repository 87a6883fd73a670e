// The emulated host as the CLI uses it: what is in it, and running this same program there.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "machine/machine.h"
#include "proto/exec.pb.h"
#include "supervisor/installation.h"

namespace anchorhold::cli {

// Finds or starts the machine; says what takes long on stderr, and once that it is not a security
// boundary when it was started.
[[nodiscard]] Result<machine::Machine> ensure_machine(
    const supervisor::Installation& installation,
    machine::Flavour flavour = machine::Flavour::kNormal);

struct MachineCommand {
    std::vector<std::string> argv;
    bool interactive = false;
    bool terminal = false;
    int output = 1;  // descriptor that the command's standard output goes to
};

// Runs a command there in our foreground: our streams, our signals, our terminal. Returns its exit
// status; errors are printed.
[[nodiscard]] int run_in(const machine::Machine& machine, const MachineCommand& command);

// The same for `anchorhold <arguments>`.
[[nodiscard]] MachineCommand ourselves(std::vector<std::string> arguments);

}  // namespace anchorhold::cli
