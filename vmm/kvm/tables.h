// KVM structures that end in an array. linux/kvm.h declares them with a macro that gives an empty
// struct a size in C++, so that both the layout and the request numbers derived from sizeof come
// out wrong: here they are right.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

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
constexpr unsigned long kGetCpuid = _IOWR(KVMIO, 0x91, TableHeader);
constexpr unsigned long kSetMsrs = _IOW(KVMIO, 0x89, TableHeader);

// struct kvm_xsave: this much at least; more where KVM_CAP_XSAVE2 says so.
struct XsaveArea {
    std::array<std::byte, 4096> bytes;
};
constexpr unsigned long kGetXsave = _IOR(KVMIO, 0xa4, XsaveArea);
constexpr unsigned long kSetXsave = _IOW(KVMIO, 0xa5, XsaveArea);
constexpr unsigned long kGetXsave2 = _IOR(KVMIO, 0xcf, XsaveArea);

// struct kvm_pre_fault_memory, of newer headers than Debian 12's.
struct PrefaultRange {
    uint64_t guest_address = 0;
    uint64_t bytes = 0;
    uint64_t flags = 0;
    std::array<uint64_t, 5> padding{};
};
static_assert(sizeof(PrefaultRange) == 64);
constexpr unsigned long kPrefaultMemory = _IOWR(KVMIO, 0xd5, PrefaultRange);

constexpr unsigned long kGetMsrIndexList = _IOWR(KVMIO, 0x02, uint32_t);  // struct kvm_msr_list

// The leaves that `request` (KVM_GET_SUPPORTED_CPUID, KVM_GET_CPUID2) fills in.
[[nodiscard]] Result<std::vector<kvm_cpuid_entry2>> read_cpuid_table(int fd, unsigned long request,
                                                                     std::string_view name);

}  // namespace anchorhold::vmm::kvm
