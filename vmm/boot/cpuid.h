// What a vCPU says about itself: the host's CPUID made into the identity of one processor of this
// machine.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <span>
#include <vector>

namespace anchorhold::vmm {

// Which processor of how many; index < count <= layout::kMaxVcpus.
struct CpuIdentity {
    uint32_t index;  // also its local APIC id
    uint32_t count;
};

// The leaves for KVM_SET_CPUID2: of `supported` (KVM_GET_SUPPORTED_CPUID) what
// cpuid_template.h allows. Adds the bits that KVM serves and leaves to the VMM to announce
// (HYPERVISOR, TSC_DEADLINE, ARAT), numbers the processor, and describes one package of `count`
// cores without hyper-threads.
std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          CpuIdentity identity);

// The extended states (XCR0) that `leaves` offer; 0 where XSAVE is not offered.
uint64_t extended_states(std::span<const kvm_cpuid_entry2> leaves);

}  // namespace anchorhold::vmm
