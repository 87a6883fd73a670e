// Starting a child program with exactly the descriptors it is meant to have.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold {

struct SpawnRequest {
    int executable = -1;                   // an open descriptor of the program, or -1 to use `path`
    std::string path;                      // named in errors; executed where `executable` is -1
    std::vector<std::string> arguments;    // argv, with argv[0]
    std::vector<std::string> environment;  // the whole environment
    std::vector<std::pair<int, int>>
        descriptors;           // (ours, the child's number); all others are closed in the child
    bool new_session = false;  // setsid(): out of reach of the terminal's signals
    // The first process of a PID namespace of its own, where this host allows; for another user
    // than root within a user namespace, with what enter_jail() needs (jail.h).
    bool alone = false;
    int parent_death_signal =
        0;  // sent to the child when the *thread* that spawned it ends; 0: none
};

// How a child ended.
struct ExitStatus {
    int code = 0;    // meaningful when signal is 0
    int signal = 0;  // the signal that killed it, or 0
};

// A child process. Killed (SIGKILL) and reaped in the destructor if it still runs.
class Child {
  public:
    Child() = default;
    // One that is not a child of ours can be signalled and watched; wait() is an error then
    // (ECHILD).
    Child(pid_t pid, OwnFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    // The same, of whose number nothing more is known than its pidfd.
    static Child from_pidfd(OwnFd pidfd);
    Child(Child&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
    Child& operator=(Child&& other) noexcept;
    ~Child();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }  // readable once the child has ended
    [[nodiscard]] bool running() const { return pid_ > 0; }

    // Sends a signal through the pidfd: never to a stranger that inherited the number.
    Status signal(int number) const;
    // Waits for the end and reaps. Call once.
    Result<ExitStatus> wait();
    // Forgets the process: it runs on, and whoever is its parent then reaps it.
    void let_go();

  private:
    pid_t pid_ = -1;
    OwnFd pidfd_;
};

// Starts the program. A failure of exec itself (missing, not executable) is reported here, not as
// an exit status.
[[nodiscard]] Result<Child> spawn(const SpawnRequest& request);

}  // namespace anchorhold
