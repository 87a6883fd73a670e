// The machine's side: serves every channel of the multiplex as one command, reaps what nobody waits
// for.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "exec/launcher.h"
#include "exec/server.h"
#include "machine/mux_bridge.h"

namespace anchorhold::machine {

struct Greeting {
    std::string build_id;
    bool kvm_usable = false;
};

class Agent {
  public:
    // Says hello and serves until the host says power off or the transport ends; then the loop
    // stops. SIGCHLD must be blocked; `loop` and `launcher` outlive the agent.
    static Result<std::unique_ptr<Agent>> start(EventLoop& loop, OwnFd port,
                                                exec::Launcher& launcher, const Greeting& greeting);
    ~Agent();
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    // Why the transport ended, where it was not the host's wish.
    [[nodiscard]] const std::optional<Error>& lost() const { return lost_; }

  private:
    Agent(EventLoop& loop, OwnFd port, exec::Launcher& launcher, OwnFd children);
    void serve(ChannelId channel);
    void reap();

    EventLoop& loop_;
    OwnFd children_;  // signalfd of SIGCHLD
    exec::ExecServer server_;
    MuxBridge bridge_;
    std::optional<Error> lost_;
};

}  // namespace anchorhold::machine
