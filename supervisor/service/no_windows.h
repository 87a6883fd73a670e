// A service without windows: a sandbox that asks for one is refused.
#pragma once

#include <cerrno>
#include <map>
#include <memory>
#include <string>

#include "supervisor/service/windows.h"

namespace anchorhold::service {

class NoWindows final : public Windows {
  public:
    Result<std::unique_ptr<SandboxWindow>> open(const WindowOrder& order) override {
        return fail("sandbox " + order.sandbox + ": this service has no windows for policies",
                    ENOSYS);
    }
    Result<std::unique_ptr<SandboxWindow>> adopt(const WindowOrder& order,
                                                 std::map<std::string, OwnFd>&) override {
        return open(order);
    }
};

}  // namespace anchorhold::service
