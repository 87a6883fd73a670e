// Environment variables as they are given on the command line.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace anchorhold::cli {

// "KEY=VALUE" as it is; "KEY" with the value from our own environment, dropped where it is unset
// there. An error names what is neither.
[[nodiscard]] Result<std::vector<std::string>> resolve_environment(
    const std::vector<std::string>& given);

}  // namespace anchorhold::cli
