// User space that wants to be told of a resume: a folder of registrations, which is input from the
// agent, and the signals that they ask for.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "guest-init/uniqueness/agent_processes.h"

namespace anchorhold::guest_init {

class ResumeHooks {
  public:
    static constexpr size_t kMaxEntries = 1024;
    static constexpr size_t kMaxText = 16;  // bytes of a registration

    // `processes` outlives it.
    ResumeHooks(OwnFd folder, Processes& processes)
        : folder_(std::move(folder)), processes_(processes) {}

    // Signals every process that is rightly registered: a regular file with one link, named after
    // its pid, that belongs to its uid and holds a signal number it handles; the process is in the
    // agent's group. Any other file is passed over, and those of pids that are nobody's are
    // removed. Everything of the agent's stands still meanwhile. Fails where there are more than
    // kMaxEntries, since somebody who counts on it might go untold.
    Status signal_all();

  private:
    Status signal_one(pid_t pid, const char* name);
    [[nodiscard]] std::optional<std::pair<uid_t, int>> read(const char* name) const;

    OwnFd folder_;
    Processes& processes_;
};

// A registration's name: a pid above 1 as its digits, nothing else.
[[nodiscard]] std::optional<pid_t> parse_hook_name(std::string_view name);

// A registration's text: SIGHUP, SIGUSR1, SIGUSR2 or a real-time signal that libc leaves to
// programs, as a decimal number, and at most one newline.
[[nodiscard]] std::optional<int> parse_hook_text(std::string_view text);

}  // namespace anchorhold::guest_init
