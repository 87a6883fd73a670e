// What exec/ asks of the program it lives in: who a command runs as and which walls stand around
// it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::exec {

// The user a command runs as. All of it is known before the fork.
struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;   // USER and LOGNAME
    std::string home;   // HOME, and the working directory where none is asked for
    std::string shell;  // SHELL
    // KEY=VALUE for every command of this account, below those the client gives.
    std::vector<std::string> environment = {};
};

// The walls around one command and everything it starts. Lives as long as the session; its
// destructor must not kill what the command left running in the background.
class Enclosure {
  public:
    virtual ~Enclosure() = default;

    // Descriptor of the cgroup v2 directory the command is born in, or -1 to stay in ours.
    [[nodiscard]] virtual int cgroup() const { return -1; }

    // Runs in the child between fork and exec, after its descriptors, session and terminal are in
    // place: drops privileges, sets limits and filters. Only system calls: no allocation, no locks.
    // Returns nullptr, or the name of the call that failed, with errno set; the command is then
    // refused.
    [[nodiscard]] virtual const char* enter() noexcept = 0;

    // Kills every process inside that is not in the command's process group any more, too. The
    // session itself has already sent SIGKILL to the group.
    virtual void kill_all() {}

    // True when the kernel's OOM killer ended a process inside. Asked once, after the command was
    // killed by a signal.
    [[nodiscard]] virtual bool out_of_memory() { return false; }
};

class Launcher {
  public:
    virtual ~Launcher() = default;

    // The account behind `user`: a name, a uid or uid:gid; empty means the default user. An error
    // becomes a refusal BAD_REQUEST with its message, so it names the user and what is wrong with
    // it.
    [[nodiscard]] virtual Result<Account> account(std::string_view user) = 0;

    // Builds the walls for one command. An error becomes a refusal INTERNAL.
    [[nodiscard]] virtual Result<std::unique_ptr<Enclosure>> enclose(const Account& account) = 0;
};

}  // namespace anchorhold::exec
