// Anchorhold's sandboxes that start from a template: as `run --from` restores them, into a waiting
// VMM, and parked.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "bench/variant.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/shell.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::bench {

// The clock begins when start() is called, before the new guest's identity is drawn; the template
// is open.
class RestoredVariant final : public Variant {
  public:
    // What is referred to outlives it. `kind` is neither kCold nor kForked. `version` is
    // Anchorhold's.
    RestoredVariant(EventLoop& loop, const supervisor::Installation& installation,
                    const supervisor::OpenTemplate& from, StartKind kind,
                    std::optional<supervisor::MemoryBackend> memory, std::string version);

    [[nodiscard]] const VariantDescription& description() const override { return description_; }
    Status prepare(Duration patience) override;
    Status start(Handlers handlers) override;
    Result<OwnFd> open_exec_stream() override { return sandbox_->open_exec_stream(); }
    void note_exec(uint64_t guest_tsc) override { sandbox_->note_exec(guest_tsc); }
    void note_first_byte() override { sandbox_->note_first_byte(); }
    [[nodiscard]] const supervisor::Timeline& timeline() const override;
    [[nodiscard]] pid_t vmm_pid() const override;
    [[nodiscard]] GuestMappings guest_mappings() const override;
    void destroy() override { sandbox_->destroy(); }

  private:
    void is_ready(supervisor::RestoreRequest::Start how);
    Status restore(supervisor::RestoreRequest::Start how, supervisor::GuestIdentity identity);

    EventLoop& loop_;
    const supervisor::Installation& installation_;
    const supervisor::OpenTemplate& from_;
    std::optional<supervisor::MemoryBackend> memory_;
    VariantDescription description_;
    Handlers handlers_;
    mutable supervisor::Timeline timeline_;  // the sandbox's, from the request on
    std::unique_ptr<supervisor::Shell> shell_;
    std::unique_ptr<supervisor::Sandbox> sandbox_;
    uint64_t requested_ = 0;
    bool parked_ = false;
    bool gone_ = false;  // ended before start()
};

}  // namespace anchorhold::bench
