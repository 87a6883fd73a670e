// Anchorhold's sandboxes that are forked from one that runs: it stands still while its memory is
// written, goes on, and the child is restored from what was written.
#pragma once

#include <memory>
#include <string>

#include "base/event_loop.h"
#include "bench/variant.h"
#include "supervisor/installation.h"
#include "supervisor/sandbox.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::bench {

// The clock begins when start() is called, while the source runs. The source is restored once from
// the template, and stays for all starts.
class ForkedVariant final : public Variant {
  public:
    // What is referred to outlives it. `version` is Anchorhold's.
    ForkedVariant(EventLoop& loop, const supervisor::Installation& installation,
                  const supervisor::OpenTemplate& from, std::string version);

    [[nodiscard]] const VariantDescription& description() const override { return description_; }
    Status prepare(Duration patience) override;
    Status start(Handlers handlers) override;
    Result<OwnFd> open_exec_stream() override { return child_->open_exec_stream(); }
    void note_exec(uint64_t guest_tsc) override { child_->note_exec(guest_tsc); }
    void note_first_byte() override { child_->note_first_byte(); }
    [[nodiscard]] const supervisor::Timeline& timeline() const override;
    [[nodiscard]] pid_t vmm_pid() const override { return child_ ? child_->vmm_pid() : 0; }
    [[nodiscard]] GuestMappings guest_mappings() const override;
    void destroy() override { child_->destroy(); }

  private:
    struct Copy;
    Status start_source(Duration patience);
    void write_source(const std::shared_ptr<Copy>& copy);
    void go_on(const std::shared_ptr<Copy>& copy);
    Status restore(const Copy& copy);
    void fail_start(const Error& error);

    EventLoop& loop_;
    const supervisor::Installation& installation_;
    const supervisor::OpenTemplate& from_;
    VariantDescription description_;
    Handlers handlers_;
    mutable supervisor::Timeline timeline_;  // the child's, from the request on
    uint64_t requested_ = 0;
    std::unique_ptr<supervisor::Sandbox> source_;
    std::unique_ptr<supervisor::Sandbox> child_;
    bool source_runs_ = false;
    bool source_gone_ = false;
};

}  // namespace anchorhold::bench
