// The steps of a resume, done to this kernel.
#pragma once

#include <memory>
#include <utility>

#include "base/fd.h"
#include "base/result.h"
#include "guest-init/uniqueness/agent_processes.h"
#include "guest-init/uniqueness/identity.h"
#include "guest-init/uniqueness/identity_files.h"
#include "guest-init/uniqueness/resume_hooks.h"

namespace anchorhold::guest_init {

class KernelIdentity final : public Identity {
  public:
    // Opens /dev/urandom and /proc of the root that is current.
    static Result<std::unique_ptr<KernelIdentity>> create(IdentityFiles files);

    Status add_entropy(std::span<const std::byte> bytes) override;
    Status set_wall_clock(uint64_t nanoseconds) override;
    Status set_machine_id(std::string_view id) override;
    Status set_boot_id(std::string_view id) override;
    Status set_host_name(std::string_view name) override;
    Status set_generation(uint64_t generation) override;
    Status signal_hooks() override { return hooks_.signal_all(); }

    [[nodiscard]] uint64_t generation() const override { return generation_; }

  private:
    KernelIdentity(IdentityFiles files, OwnFd random, OwnFd proc)
        : files_(std::move(files)),
          random_(std::move(random)),
          processes_(std::move(proc)),
          hooks_(std::move(files_.hooks), processes_) {}

    IdentityFiles files_;
    OwnFd random_;
    ProcProcesses processes_;
    ResumeHooks hooks_;
    uint64_t generation_ = kFirstGeneration;
};

}  // namespace anchorhold::guest_init
