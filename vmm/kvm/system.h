// /dev/kvm itself: what the host's KVM offers, and the making of virtual machines.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/kvm/vm.h"

namespace anchorhold::vmm::kvm {

// Owns an open /dev/kvm. KVM API documentation §4.1 to §4.5.
class System {
  public:
    // Takes the descriptor; fails when it is not a KVM of API version 12 or lacks something the
    // machine needs.
    static Result<System> adopt(OwnFd fd);

    // A machine with neither memory nor processors. Waits for RCU grace periods of the host.
    [[nodiscard]] Result<Vm> create_vm() const;

    // KVM_GET_SUPPORTED_CPUID: every leaf this host and its KVM can show to a guest.
    [[nodiscard]] Result<std::vector<kvm_cpuid_entry2>> supported_cpuid() const;

    // KVM_GET_MSR_INDEX_LIST.
    [[nodiscard]] Result<std::vector<uint32_t>> msr_indices() const;

    // KVM_CHECK_EXTENSION; 0 when unknown.
    [[nodiscard]] int extension(int capability) const;

  private:
    System(OwnFd fd, size_t run_size) : fd_(std::move(fd)), run_size_(run_size) {}

    OwnFd fd_;
    size_t run_size_;  // bytes of each vCPU's shared kvm_run mapping
};

}  // namespace anchorhold::vmm::kvm
