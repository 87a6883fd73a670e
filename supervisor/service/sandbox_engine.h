// SandboxEngine on supervisor::Sandbox.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "supervisor/installation.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/real_sandbox.h"
#include "supervisor/service/template_cache.h"

namespace anchorhold::service {

// `loop` and `installation` outlive everything it makes.
class RealEngine final : public SandboxEngine {
  public:
    // Templates are in the folder `templates`; `state_folder` has the key of hibernated sandboxes.
    RealEngine(EventLoop& loop, const supervisor::Installation& installation,
               std::string state_folder, TemplateCache templates)
        : context_{loop, installation, std::move(state_folder)}, templates_(std::move(templates)) {}

    Result<TemplateInfo> find_template(const std::string& name) override;
    Made start_cold(StartRequest request, Handlers handlers) override;
    Made restore(const TemplateInfo& origin, StartRequest request, std::unique_ptr<Shell> shell,
                 Handlers handlers) override;
    Made park(const TemplateInfo& origin, std::unique_ptr<Shell> shell, Handlers handlers) override;
    Result<std::unique_ptr<Shell>> make_shell(const TemplateInfo& origin,
                                              Handlers handlers) override;
    Made restore_snapshot(const std::string& folder, StartRequest request,
                          Handlers handlers) override;
    Made adopt(const std::string& name, std::map<std::string, OwnFd> descriptors,
               const supervisor::SandboxSpec& spec, Handlers handlers) override;

  private:
    EngineContext context_;
    TemplateCache templates_;
};

}  // namespace anchorhold::service
