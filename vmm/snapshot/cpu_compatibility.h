// May a processor that a guest has come to know be shown to it on this host?
#pragma once

#include <linux/kvm.h>

#include <span>

#include "base/result.h"

namespace anchorhold::vmm {

// Every feature bit of `guest` (a vCPU's CPUID in a snapshot) must be one that `host`
// (KVM_GET_SUPPORTED_CPUID, made into a guest's by guest_cpuid()) has too, from the same vendor,
// with room for as large an address. The error names what is missing: "avx512f, sha_ni".
[[nodiscard]] Status check_cpu(std::span<const kvm_cpuid_entry2> guest,
                               std::span<const kvm_cpuid_entry2> host);

}  // namespace anchorhold::vmm
