// Everything that makes a vCPU what it is, as KVM's own structures: taken from one, given to
// another.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "vmm/kvm/vcpu.h"

namespace anchorhold::vmm::kvm {

// The structures of KVM API documentation §4, unchanged.
struct VcpuState {
    kvm_mp_state mp_state{};
    kvm_regs registers{};
    kvm_sregs special_registers{};
    std::vector<std::byte> xsave;  // as many bytes as the host's KVM_CAP_XSAVE2 says, 4096 at least
    kvm_xcrs extended_controls{};
    kvm_debugregs debug_registers{};
    kvm_lapic_state local_apic{};
    kvm_vcpu_events events{};
    uint64_t tsc = 0;      // the guest's, when the state was taken
    uint64_t tsc_khz = 0;  // 0: the host does not say
    std::vector<kvm_cpuid_entry2> cpuid;
    std::vector<kvm_msr_entry> msrs;
};

// What save() and restore() need to know of the host.
struct VcpuStateLimits {
    size_t xsave_size = 4096;  // Vm::xsave_size()
    uint64_t host_tsc = 0;     // one sample for all vCPUs of a machine: they stay in step
};

// Takes the state of a vCPU that does not run and whose last exit is completed (complete_exit()).
// `msrs` that this host cannot read are left out.
[[nodiscard]] Result<VcpuState> save_state(const Vcpu& vcpu, std::span<const uint32_t> msrs,
                                           const VcpuStateLimits& limits);

// Gives the state to a vCPU that has never run. Memory slots and the interrupt controller exist.
// The guest's TSC goes on from `state.tsc`. Errors name the call or the register that was refused.
[[nodiscard]] Status restore_state(const Vcpu& vcpu, const VcpuState& state,
                                   const VcpuStateLimits& limits);

// Takes `ticks` from the TSC of a vCPU that was restored and has not run, and sets its timer to
// `deadline` anew: what it did meanwhile went by the TSC before.
[[nodiscard]] Status set_back_tsc(const Vcpu& vcpu, uint64_t ticks, uint64_t deadline);
// The deadline of a state's timer (IA32_TSC_DEADLINE); 0: it has none.
[[nodiscard]] uint64_t tsc_deadline(const VcpuState& state);

}  // namespace anchorhold::vmm::kvm
