// KVM structures that end in an array. linux/kvm.h declares them with a macro that gives an empty
// struct a size in C++, so that both the layout and the request numbers derived from sizeof come
// out wrong: here they are right.
#pragma once

#include <linux/kvm.h>

#include <cstdint>

namespace anchorhold::vmm::kvm {

// struct kvm_cpuid2 and struct kvm_msrs without their arrays, which follow at once.
struct TableHeader {
    uint32_t count = 0;
    uint32_t padding = 0;
};
static_assert(sizeof(TableHeader) == 8);
static_assert(sizeof(kvm_cpuid_entry2) == 40 && sizeof(kvm_msr_entry) == 16);

constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, TableHeader);
constexpr unsigned long kSetCpuid = _IOW(KVMIO, 0x90, TableHeader);
constexpr unsigned long kGetMsrs = _IOWR(KVMIO, 0x88, TableHeader);
constexpr unsigned long kSetMsrs = _IOW(KVMIO, 0x89, TableHeader);

}  // namespace anchorhold::vmm::kvm
