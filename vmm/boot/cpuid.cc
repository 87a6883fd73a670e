// One function per leaf; numbers are those of the Intel SDM volume 2A (CPUID) and AMD APM volume 3
// appendix E.
#include "vmm/boot/cpuid.h"

#include <algorithm>
#include <bit>

#include "vmm/boot/cpuid_template.h"

namespace anchorhold::vmm {
namespace {

constexpr uint32_t bit(unsigned position) {
    return 1U << position;
}

// Replaces the bits of `mask` (contiguous) in `word` by `value`.
constexpr void put(uint32_t& word, uint32_t mask, uint32_t value) {
    word = (word & ~mask) | ((value << std::countr_zero(mask)) & mask);
}

// How many bits an APIC id of this machine has.
constexpr uint32_t id_width(uint32_t count) {
    return static_cast<uint32_t>(std::bit_width(count - 1));
}

void features(kvm_cpuid_entry2& leaf, CpuIdentity identity) {  // 1
    constexpr uint32_t kTscDeadline = bit(24);
    constexpr uint32_t kHypervisor = bit(31);
    constexpr uint32_t kHyperThreading = bit(28);
    leaf.ecx |= kTscDeadline | kHypervisor;
    put(leaf.ebx, 0xff000000, identity.index);
    put(leaf.ebx, 0x00ff0000, 1U << id_width(identity.count));
    leaf.edx &= ~kHyperThreading;
    if (identity.count > 1) {
        leaf.edx |= kHyperThreading;
    }
}

void deterministic_caches(kvm_cpuid_entry2& leaf, CpuIdentity identity) {  // 4
    const uint32_t type = leaf.eax & 0x1f;
    if (type == 0) {
        return;
    }
    const uint32_t level = (leaf.eax >> 5) & 7;
    const uint32_t package = (1U << id_width(identity.count)) - 1;
    put(leaf.eax, 0x03ffc000,
        level >= 3 ? package : 0);       // logical processors that share it, less one
    put(leaf.eax, 0xfc000000, package);  // cores in the package, less one
}

void amd_caches(kvm_cpuid_entry2& leaf, CpuIdentity identity) {  // 0x8000001d
    if ((leaf.eax & 0x1f) == 0) {
        return;
    }
    const uint32_t level = (leaf.eax >> 5) & 7;
    put(leaf.eax, 0x03ffc000, level >= 3 ? identity.count - 1 : 0);
}

// The three sub-leaves of 0xb and 0x1f: a thread level of one, a core level of `count`, the end.
void append_topology(std::vector<kvm_cpuid_entry2>& leaves, uint32_t function,
                     CpuIdentity identity) {
    constexpr uint32_t kThreads = 1;
    constexpr uint32_t kCores = 2;
    const auto level = [&](uint32_t index, uint32_t shift, uint32_t processors, uint32_t type) {
        kvm_cpuid_entry2 leaf{};
        leaf.function = function;
        leaf.index = index;
        leaf.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
        leaf.eax = shift;
        leaf.ebx = processors;
        leaf.ecx = (type << 8) | index;
        leaf.edx = identity.index;
        leaves.push_back(leaf);
    };
    level(0, 0, 1, kThreads);
    level(1, id_width(identity.count), identity.count, kCores);
    level(2, 0, 0, 0);
}

void adapt(kvm_cpuid_entry2& leaf, CpuIdentity identity) {
    switch (leaf.function) {
        case 0x1:
            features(leaf, identity);
            break;
        case 0x4:
            deterministic_caches(leaf, identity);
            break;
        case 0x6:
            leaf.eax |= bit(2);
            break;  // ARAT: the APIC timer never stops
        case 0x80000008:
            put(leaf.ecx, 0x000000ff, identity.count - 1);
            put(leaf.ecx, 0x0000f000, id_width(identity.count));
            break;
        case 0x8000001d:
            amd_caches(leaf, identity);
            break;
        case 0x8000001e:
            leaf.eax = identity.index;
            leaf.ebx = identity.index;  // core id; one thread per core
            leaf.ecx = 0;               // node 0 of one
            break;
        default:
            break;
    }
}

// The largest area that XSAVE writes, of the states that are left (Intel SDM volume 1, §13.2).
void measure_states(std::vector<kvm_cpuid_entry2>& leaves) {
    constexpr uint32_t kLegacyAndHeader = 576;
    uint32_t size = kLegacyAndHeader;
    for (const kvm_cpuid_entry2& leaf : leaves) {
        if (leaf.function == 0xd && leaf.index >= 2) {
            size = std::max(size, leaf.ebx + leaf.eax);  // offset and size
        }
    }
    for (kvm_cpuid_entry2& leaf : leaves) {
        if (leaf.function == 0xd && leaf.index == 0) {
            leaf.ecx = size;
        }
    }
}

}  // namespace

std::vector<kvm_cpuid_entry2> guest_cpuid(std::span<const kvm_cpuid_entry2> supported,
                                          CpuIdentity identity) {
    std::vector<kvm_cpuid_entry2> leaves;
    leaves.reserve(supported.size() + 8);
    uint32_t highest = 0;
    bool has_power_leaf = false;
    for (kvm_cpuid_entry2 leaf : supported) {
        if (!allow_by_template(leaf)) {
            continue;
        }
        if (leaf.function == 0) {
            highest = leaf.eax;
        }
        has_power_leaf = has_power_leaf || leaf.function == 6;
        adapt(leaf, identity);
        leaves.push_back(leaf);
    }
    if (!has_power_leaf && highest >= 6) {
        kvm_cpuid_entry2 leaf{};
        leaf.function = 6;
        adapt(leaf, identity);
        leaves.push_back(leaf);
    }
    for (const uint32_t function : {0xbU, 0x1fU}) {
        if (highest >= function) {
            append_topology(leaves, function, identity);
        }
    }
    measure_states(leaves);
    return leaves;
}

uint64_t extended_states(std::span<const kvm_cpuid_entry2> leaves) {
    for (const kvm_cpuid_entry2& leaf : leaves) {
        if (leaf.function == 0xd && leaf.index == 0) {
            return (uint64_t{leaf.edx} << 32) | leaf.eax;
        }
    }
    return 0;
}

}  // namespace anchorhold::vmm
