// The soak's view of other processes: killing exactly the one that is meant, and looking for what
// was left behind.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"
#include "soak/supervisor_main.h"

namespace anchorhold::soak {

struct WindowPids {
    pid_t proxy = -1;
    pid_t zygote = -1;
    pid_t dialer = -1;
};

// SIGKILL, through a pidfd, to a process whose program's name begins with `name`; false: there is
// none of that number and name.
bool kill_program(pid_t pid, const std::string& name);

// Open descriptors of a process; 0: it is gone.
size_t open_descriptors(pid_t pid);
// What a process has open, by kind, once it is certain that it keeps more than `most`: what is on
// its way to be closed is waited for, with a deadline. Empty: it does not.
std::string surplus_descriptors(pid_t pid, size_t most);

// Makes orphans of the processes below us our children, so that none can hide.
void adopt_orphans();
// Reaps the processes below us that ended, but not `but`. True: there are none any more.
bool reap_orphans(pid_t but);

// A supervisor that runs.
class SupervisorProcess {
  public:
    // Waits until its window is open.
    static Result<std::unique_ptr<SupervisorProcess>> start(const SupervisorPlace& place);

    [[nodiscard]] OwnFd take_egress() { return std::move(egress_); }
    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    // An error: it is shut or gone, and says why as far as it could.
    Result<WindowPids> pids();
    // SIGKILL and the end.
    Status kill();
    // In peace: streams ended, log closed.
    Result<ExitStatus> stop();

  private:
    Result<std::string> next_packet();

    Child child_;
    OwnFd control_;
    OwnFd egress_;
};

}  // namespace anchorhold::soak
