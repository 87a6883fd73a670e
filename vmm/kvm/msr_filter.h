// Which model-specific registers a guest can reach at all: an allow-list that KVM enforces.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "vmm/kvm/vm.h"

namespace anchorhold::vmm::kvm {

enum class MsrAccess : uint8_t { kRead = 1, kWrite = 2, kBoth = 3 };

// May a guest do all of `access` to `index`? The local APIC's (0x800 to 0x8ff) KVM never filters.
[[nodiscard]] bool msr_allowed(uint32_t index, MsrAccess access);

// KVM_X86_SET_MSR_FILTER with default deny: any other access is a #GP in the guest. Before the
// first vCPU. KVM_GET_MSRS and KVM_SET_MSRS are not filtered: what state_msrs() lists is still
// saved and restored.
[[nodiscard]] Status filter_msrs(const Vm& vm);

}  // namespace anchorhold::vmm::kvm
