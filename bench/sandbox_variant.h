// Anchorhold's own sandboxes, as `anchorhold run` starts them.
#pragma once

#include <memory>

#include "base/event_loop.h"
#include "bench/variant.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/spec.h"

namespace anchorhold::bench {

class SandboxVariant final : public Variant {
  public:
    // `loop` and `installation` outlive it. `version` is Anchorhold's.
    SandboxVariant(EventLoop& loop, const supervisor::Installation& installation,
                   supervisor::SandboxSpec spec, std::string version);

    [[nodiscard]] const VariantDescription& description() const override { return description_; }
    Status prepare(Duration patience) override;
    Status start(Handlers handlers) override;
    Result<OwnFd> open_exec_stream() override { return sandbox_->open_exec_stream(); }
    void note_exec(uint64_t guest_tsc) override { sandbox_->note_exec(guest_tsc); }
    void note_first_byte() override { sandbox_->note_first_byte(); }
    [[nodiscard]] const supervisor::Timeline& timeline() const override {
        return sandbox_->timeline();
    }
    [[nodiscard]] pid_t vmm_pid() const override { return sandbox_ ? sandbox_->vmm_pid() : 0; }
    [[nodiscard]] GuestMappings guest_mappings() const override;
    void destroy() override { sandbox_->destroy(); }

  private:
    EventLoop& loop_;
    const supervisor::Installation& installation_;
    supervisor::SandboxSpec spec_;
    VariantDescription description_;
    std::unique_ptr<supervisor::Sandbox> sandbox_;
};

}  // namespace anchorhold::bench
