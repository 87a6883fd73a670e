// One guest or shell on its way into a pool, and what it takes there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "supervisor/service/pools.h"

namespace anchorhold::service {

struct Pools::Making {
    std::string template_name;
    TimePoint began;
    SharedHandlers handlers = std::make_shared<LiveSandbox::Handlers>();
    std::unique_ptr<LiveSandbox> parked;
    std::unique_ptr<Shell> shell;
};

// What one parked guest takes of the host's memory.
inline uint64_t parked_cost(const TemplateInfo& info) {
    return info.parked_bytes != 0 ? info.parked_bytes : info.memory_bytes;
}

}  // namespace anchorhold::service
