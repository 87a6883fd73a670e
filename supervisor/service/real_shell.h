// A shell of the real engine: a VMM that is nobody's yet.
#pragma once

#include <memory>
#include <utility>

#include "supervisor/service/engine.h"
#include "supervisor/shell.h"

namespace anchorhold::service {

class RealShell final : public Shell {
  public:
    explicit RealShell(std::unique_ptr<supervisor::Shell> shell) : shell_(std::move(shell)) {}

    // What is in `shell`, which the real engine made; empty where there is none.
    static std::unique_ptr<supervisor::Shell> take(std::unique_ptr<Shell> shell) {
        return shell ? std::move(static_cast<RealShell&>(*shell).shell_) : nullptr;
    }

  private:
    std::unique_ptr<supervisor::Shell> shell_;
};

}  // namespace anchorhold::service
