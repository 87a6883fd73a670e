// One guest or shell on its way into a pool.
#pragma once

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

}  // namespace anchorhold::service
