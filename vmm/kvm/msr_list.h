// Which model-specific registers make up a processor's state.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "vmm/kvm/system.h"

namespace anchorhold::vmm::kvm {

constexpr uint32_t kMsrTsc = 0x10;  // IA32_TIME_STAMP_COUNTER: set as an offset, never as a value
constexpr uint32_t kMsrTscDeadline =
    0x6e0;  // IA32_TSC_DEADLINE: wants the TSC and the local APIC first

// What KVM_GET_MSR_INDEX_LIST names and what it leaves out and a guest of ours uses: KVM's own
// clock and async page fault registers, IA32_XSS, the MTRRs. Without the TSC, and without Hyper-V's
// and nested VMX's, which this machine does not offer. Ascending. Some may not be readable on this
// host.
[[nodiscard]] Result<std::vector<uint32_t>> state_msrs(const System& system);

}  // namespace anchorhold::vmm::kvm
