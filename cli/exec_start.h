// From options to the message that starts a command, and to the descriptors it is connected to.
#pragma once

#include <string>
#include <vector>

#include "cli/run_options.h"
#include "exec/client.h"
#include "proto/exec.pb.h"

namespace anchorhold::cli {

// `environment` (KEY=VALUE) comes before the options' own, which replace it.
[[nodiscard]] proto::ExecStart exec_start(const RunOptions& options,
                                          const std::vector<std::string>& environment);

// Asks for a terminal like the one on our standard input: its size, its type.
void ask_for_our_terminal(proto::ExecStart& start);

// Our own standard streams; stdin only where the command is to have it.
[[nodiscard]] exec::Stdio stdio_for(const RunOptions& options);

}  // namespace anchorhold::cli
