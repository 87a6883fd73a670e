// `anchorhold run --from` where a service runs: it has parked guests, prepared VMMs and the
// template in memory.
#pragma once

#include <optional>

#include "cli/run_options.h"

namespace anchorhold::cli {

// The exit status; nothing where no service runs or it cannot do what is asked (a window's
// learning, for instance): then the run is this process's own. Errors are printed.
[[nodiscard]] std::optional<int> run_on_service(const RunOptions& options);

}  // namespace anchorhold::cli
