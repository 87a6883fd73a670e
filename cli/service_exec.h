// A command in a service's sandbox, in the foreground of our terminal.
#pragma once

#include "base/result.h"
#include "cli/run_options.h"
#include "cli/service_client.h"
#include "exec/client.h"

namespace anchorhold::cli {

// Runs the command of `options` (command, environment, working_directory, user, interactive,
// terminal) on the stream and tells the service how it ended. Returns the exit status; errors of
// the command's start are printed.
[[nodiscard]] Result<int> exec_on(ServiceStream stream, const RunOptions& options,
                                  exec::ClientHooks hooks = {});

}  // namespace anchorhold::cli
