// The walls around every command of the agent: account, capabilities, no_new_privs, seccomp filter,
// cgroup.
#pragma once

#include <linux/filter.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exec/launcher.h"
#include "guest-init/agent_cgroup.h"

namespace anchorhold::guest_init {

class AgentLauncher final : public exec::Launcher {
  public:
    // `cgroup` may be empty where the kernel has none: commands then run without limits. It
    // outlives the launcher.
    AgentLauncher(std::string passwd_path, AgentCgroup* cgroup);

    // KEY=VALUE for the commands that start from now on, below those they are given.
    void set_environment(std::vector<std::string> environment);

    [[nodiscard]] Result<exec::Account> account(std::string_view user) override;
    [[nodiscard]] Result<std::unique_ptr<exec::Enclosure>> enclose(
        const exec::Account& account) override;

  private:
    std::string passwd_path_;
    AgentCgroup* cgroup_;
    std::vector<sock_filter> filter_;
    std::vector<std::string> environment_;
};

}  // namespace anchorhold::guest_init
