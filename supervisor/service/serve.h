// `anchorhold serve`: everything of the service, wired.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "supervisor/installation.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/pools.h"
#include "supervisor/service/windows.h"

namespace anchorhold::service {

struct ServeOptions {
    std::string socket;        // default_socket()
    std::string state_folder;  // state_folder_path()
    enum class OnExit {
        keep,  // sandboxes go on; the next serve adopts them
        stop,  // sandboxes are stopped
    } on_exit = OnExit::keep;
    uint64_t keeper_patience_seconds = 0;  // how long sandboxes go on without a supervisor; 0: ever
    PoolLimits pool_limits;
    std::string version;
};

// $ANCHORHOLD_SOCKET, or anchorhold.sock in the runtime folder (base/private_folder.h).
[[nodiscard]] std::string default_socket();

// What differs between the program and its tests. Both belong to `loop`.
struct ServeMakers {
    std::function<std::unique_ptr<SandboxEngine>(EventLoop& loop)> engine;
    std::function<Result<std::unique_ptr<Windows>>(EventLoop& loop)> windows;
};

// Serves until SIGTERM or SIGINT. The error's code is EBUSY where another one has the state or the
// socket.
Status serve(const supervisor::Installation& installation, const ServeOptions& options,
             const ServeMakers& makers);

}  // namespace anchorhold::service
