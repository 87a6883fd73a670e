// What a VM has besides memory and processors: its clock and its interrupt controllers.
#pragma once

#include <linux/kvm.h>

#include <array>

#include "base/result.h"
#include "vmm/kvm/vm.h"

namespace anchorhold::vmm::kvm {

// KVM API documentation §4.29 (KVM_GET_CLOCK) and §4.26 (KVM_GET_IRQCHIP).
struct VmState {
    kvm_clock_data clock{};
    std::array<kvm_irqchip, 3> chips{};  // first PIC, second PIC, IOAPIC
};

// No vCPU runs.
[[nodiscard]] Result<VmState> save_state(const Vm& vm);
// After the vCPUs' states and before the devices'. The guest's clock goes on from where it stood.
[[nodiscard]] Status restore_state(const Vm& vm, const VmState& state);
// KVM's clock of the guest goes on from `nanoseconds`. No vCPU runs.
[[nodiscard]] Status set_clock(const Vm& vm, uint64_t nanoseconds);

}  // namespace anchorhold::vmm::kvm
