// Requests' bodies: read strictly, every unknown key refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "supervisor/service/pool.h"
#include "supervisor/service/runs.h"
#include "supervisor/service/sandboxes.h"

namespace anchorhold::service {

// Errors have the code EINVAL and name the key. An empty body is an empty object.
[[nodiscard]] Result<CreateRequest> parse_create(std::string_view body);
[[nodiscard]] Result<RunRequest> parse_run(std::string_view body);
[[nodiscard]] Result<StatedCommand> parse_exec(std::string_view body);
[[nodiscard]] Result<uint32_t> parse_fork(std::string_view body);
[[nodiscard]] Result<PoolTarget> parse_pool(std::string_view body);
// Calls that want nothing: an empty body or an empty object.
[[nodiscard]] Status parse_nothing(std::string_view body);

}  // namespace anchorhold::service
