// The agent's part of the cgroup v2 tree: one limit on everything the agent does, and one group per
// session below it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

// One session's group. Closing it does not end what runs inside.
struct SessionCgroup {
    std::string name;
    OwnFd directory;
};

class AgentCgroup {
  public:
    struct Limits {
        uint64_t memory_bytes = 0;
        uint64_t processes = 4096;
    };

    // Makes "agent" below the root of a writable cgroup2 mount, with controllers memory and pids
    // for it and its children. Without one of the controllers the agent runs without that limit and
    // a warning is added.
    static Result<AgentCgroup> create(OwnFd root, Limits limits,
                                      std::vector<std::string>& warnings);

    // An empty group. One is always kept ready, since making one takes longer than starting a
    // process in it; retire() makes the next.
    [[nodiscard]] Result<SessionCgroup> add_session();
    // Takes a group back: removed at once when empty, later when not.
    void retire(SessionCgroup session);

    // The directory of "agent".
    [[nodiscard]] int directory() const { return directory_.get(); }

    // SIGKILL to everything below "agent", and waits until it is gone or `milliseconds` have
    // passed.
    void kill_everything(int milliseconds);

    // Of one session's group.
    static void kill_all(int directory);
    // True when memory.events counts a process killed by the OOM killer.
    [[nodiscard]] static bool out_of_memory(int directory);

  private:
    explicit AgentCgroup(OwnFd directory) : directory_(std::move(directory)) {}
    void sweep();
    Result<SessionCgroup> make_session();
    void keep_spare();

    OwnFd directory_;
    std::optional<SessionCgroup> spare_;
    uint64_t next_ = 1;
    std::vector<std::string> retired_;
};

// What the agent may use of `total` bytes of memory: the rest keeps the kernel and init alive.
[[nodiscard]] uint64_t agent_memory_limit(uint64_t total);

// Reads "oom_kill N" out of the text of memory.events.
[[nodiscard]] bool counts_oom_kill(std::string_view memory_events);

}  // namespace anchorhold::guest_init
