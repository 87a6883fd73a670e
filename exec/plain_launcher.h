// A Launcher without walls: commands run as the user this process is. For the emulated host's agent
// and for tests.
#pragma once

#include "exec/launcher.h"

namespace anchorhold::exec {

class PlainLauncher final : public Launcher {
  public:
    // Empty, our own user name or our own uid; anyone else is refused. The home directory is HOME,
    // or "/" without it.
    [[nodiscard]] Result<Account> account(std::string_view user) override;
    [[nodiscard]] Result<std::unique_ptr<Enclosure>> enclose(const Account& account) override;
};

}  // namespace anchorhold::exec
