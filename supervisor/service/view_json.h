// What the service tells, as JSON.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "supervisor/service/pools.h"
#include "supervisor/service/sandboxes.h"

namespace anchorhold::service {

[[nodiscard]] std::string to_json(const SandboxView& view);
[[nodiscard]] std::string to_json(const std::vector<SandboxView>& views,
                                  const std::vector<std::string>& damaged);
[[nodiscard]] std::string to_json(const PoolView& view);
[[nodiscard]] std::string to_json(const std::vector<PoolView>& views);

}  // namespace anchorhold::service
