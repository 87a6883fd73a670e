// The registers a vCPU starts with.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "vmm/kvm/vcpu.h"

namespace anchorhold::vmm {

// The boot processor of a PVH kernel: 32-bit protected mode, flat segments, paging off, %ebx =
// `start_info`. The other processors need nothing: they wait for the in-kernel APIC's INIT and
// SIPI.
Status set_pvh_entry(const kvm::Vcpu& vcpu, uint32_t entry, uint64_t start_info);

}  // namespace anchorhold::vmm
