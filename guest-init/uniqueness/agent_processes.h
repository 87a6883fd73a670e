// What init must know of a process before it signals it on somebody's word.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

// Processes of the guest, as init sees them.
class Processes {
  public:
    struct Facts {
        uid_t uid = 0;         // real, effective, saved and file-system uid, which are all the same
        uint64_t handled = 0;  // signals that it catches, or blocks to read them: bit number - 1
    };

    virtual ~Processes() = default;

    // A pidfd; nothing where there is no such process any more.
    [[nodiscard]] virtual std::optional<OwnFd> open(pid_t pid) = 0;
    // Nothing where the process is not in the agent's group, has several uids or cannot be read.
    [[nodiscard]] virtual std::optional<Facts> look_at_agent(pid_t pid) = 0;
    // pidfd_send_signal(2): reaches the process that was opened or nobody. ESRCH: it has ended.
    virtual Status signal(const OwnFd& process, int number) = 0;
};

// Out of /proc.
class ProcProcesses final : public Processes {
  public:
    // `proc` is a directory of a proc mount that hides nothing from init.
    explicit ProcProcesses(OwnFd proc) : proc_(std::move(proc)) {}

    [[nodiscard]] std::optional<OwnFd> open(pid_t pid) override;
    [[nodiscard]] std::optional<Facts> look_at_agent(pid_t pid) override;
    Status signal(const OwnFd& process, int number) override;

  private:
    OwnFd proc_;
};

// True for the text of /proc/PID/cgroup of a process in a group below the agent's.
[[nodiscard]] bool is_in_agent_group(std::string_view cgroup);

// Out of the text of /proc/PID/status.
[[nodiscard]] std::optional<Processes::Facts> parse_status(std::string_view status);

}  // namespace anchorhold::guest_init
