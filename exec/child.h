// Starting a command's process: clone3 into its cgroup, stdio and session in place, walls up, exec;
// failures told precisely.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "exec/command.h"
#include "exec/launcher.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec {

enum class Controlling {
    kNone,
    kTerminal
};  // kTerminal: descriptor 0 becomes the session's controlling terminal

struct ChildRequest {
    const Command& command;
    Enclosure& enclosure;
    int stdio[3] = {-1, -1, -1};  // become 0, 1 and 2
    Controlling controlling = Controlling::kNone;
    Duration patience = std::chrono::seconds(30);  // until it executes; killed afterwards
};

// A child that has executed, or is on its way.
struct StartedChild {
    pid_t pid = -1;
    OwnFd pidfd;
    OwnFd report;  // nonblocking; read it with StartReport
};

// The child leads its own session and process group. Returns once it has executed or failed to, or
// at once where its cgroup is frozen; never later than after `patience`. Fails only when the
// process itself cannot be made. A process whose walls change identities should not be dumpable
// (PR_SET_DUMPABLE): until it executes, the child has its memory.
[[nodiscard]] Result<StartedChild> start_child(const ChildRequest& request);

// Why a command was not run, as the client is told.
struct Refusal {
    proto::ExecRefused::Reason reason = proto::ExecRefused::INTERNAL;
    std::string message;
};

// Collects what a child says through its report descriptor: nothing more to come means that exec
// succeeded.
class StartReport {
  public:
    enum class State { kWaiting, kExecuted, kRefused };

    // Reads what is there; call when the descriptor is readable.
    [[nodiscard]] State read(int report, const Command& command);

    [[nodiscard]] uint64_t tsc_exec() const { return tsc_exec_; }      // valid once executed
    [[nodiscard]] const Refusal& refusal() const { return refusal_; }  // valid once refused

  private:
    uint64_t tsc_exec_ = 0;
    bool reached_exec_ = false;
    std::optional<Refusal> refused_;
    Refusal refusal_;
};

}  // namespace anchorhold::exec
