// Clock, PICs, IOAPIC; this machine has no PIT.
#include "vmm/kvm/vm_state.h"

#include "vmm/kvm/ioctl.h"

namespace anchorhold::vmm::kvm {
namespace {

constexpr uint32_t kChips[] = {KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC};

}  // namespace

Result<VmState> save_state(const Vm& vm) {
    VmState state;
    for (size_t i = 0; i < state.chips.size(); ++i) {
        state.chips[i].chip_id = kChips[i];
        ANCHORHOLD_TRY(command(vm.fd(), KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP", &state.chips[i]));
    }
    ANCHORHOLD_TRY(command(vm.fd(), KVM_GET_CLOCK, "KVM_GET_CLOCK", &state.clock));
    return state;
}

Status set_clock(const Vm& vm, uint64_t nanoseconds) {
    kvm_clock_data clock{};
    clock.clock = nanoseconds;  // without flags: time away did not pass for the guest
    return command(vm.fd(), KVM_SET_CLOCK, "KVM_SET_CLOCK", &clock);
}

Status restore_state(const Vm& vm, const VmState& state) {
    ANCHORHOLD_TRY(set_clock(vm, state.clock.clock));
    for (size_t i = 0; i < state.chips.size(); ++i) {
        kvm_irqchip chip = state.chips[i];
        chip.chip_id = kChips[i];
        ANCHORHOLD_TRY(command(vm.fd(), KVM_SET_IRQCHIP, "KVM_SET_IRQCHIP", &chip));
    }
    return {};
}

}  // namespace anchorhold::vmm::kvm
