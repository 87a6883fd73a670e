// Every orphan of the guest ends up at PID 1, which must reap it; the commands of sessions are
// theirs to reap.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

class Reaper {
  public:
    // Reaps a child that is its own when given the pid and says true; says false for anyone else's.
    using Owner = std::function<bool(pid_t)>;

    // Blocks SIGCHLD in this process and reaps when it arrives. `loop` outlives the reaper.
    static Result<std::unique_ptr<Reaper>> create(EventLoop& loop, Owner owner);
    ~Reaper();
    Reaper(const Reaper&) = delete;
    Reaper& operator=(const Reaper&) = delete;

  private:
    Reaper(EventLoop& loop, OwnFd signals, Owner owner);
    void on_signal();

    EventLoop& loop_;
    OwnFd signals_;
    Owner owner_;
};

}  // namespace anchorhold::guest_init
