// Windows on supervisor::Window: one zygote and one dialer for all sandboxes of the service, a
// proxy and an audit log for each.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/event_loop.h"
#include "supervisor/audit/audit_keys.h"
#include "supervisor/installation.h"
#include "supervisor/secrets/registry.h"
#include "supervisor/service/file_steps.h"
#include "supervisor/service/windows.h"
#include "supervisor/window/network_settings.h"
#include "supervisor/window/window_host.h"

namespace anchorhold::service {

class PolicyWindow;

// Belongs to its event loop's thread, and outlives its windows.
class PolicyWindows final : public Windows {
  public:
    // Before the process has threads or a secret: seals its memory and reads the registry, once for
    // the service's life. Where that fails, so does every open(), with the same words: a service
    // without secrets still serves sandboxes without a window.
    static std::unique_ptr<PolicyWindows> create(EventLoop& loop,
                                                 const supervisor::Installation& installation);
    ~PolicyWindows() override;

    Result<std::unique_ptr<SandboxWindow>> open(const WindowOrder& order) override;
    Result<std::unique_ptr<SandboxWindow>> adopt(
        const WindowOrder& order, std::map<std::string, OwnFd>& descriptors) override;

    // What the windows use.
    struct Shared {
        EventLoop& loop;
        const supervisor::Installation& installation;
        FileSteps steps;
        std::optional<supervisor::SecretRegistry> registry;
        std::optional<supervisor::AuditKeys> keys;
        std::string audit_folder;
        supervisor::NetworkSettings network;
        std::unique_ptr<supervisor::WindowHost> host;  // from the first window on
        std::set<PolicyWindow*> open;
    };

  private:
    explicit PolicyWindows(EventLoop& loop, const supervisor::Installation& installation);
    Status prepare();
    Status start_host();
    Result<std::unique_ptr<PolicyWindow>> make(const WindowOrder& order);

    Shared shared_;
    Status prepared_;
};

}  // namespace anchorhold::service
