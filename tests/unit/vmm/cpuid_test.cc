// guest_cpuid() on made-up hosts.
#include "vmm/boot/cpuid.h"

#include <gtest/gtest.h>

namespace anchorhold::vmm {
namespace {

kvm_cpuid_entry2 leaf(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx, uint32_t ecx,
                      uint32_t edx) {
    kvm_cpuid_entry2 entry{};
    entry.function = function;
    entry.index = index;
    entry.eax = eax;
    entry.ebx = ebx;
    entry.ecx = ecx;
    entry.edx = edx;
    return entry;
}

std::vector<kvm_cpuid_entry2> host() {
    return {leaf(0, 0, 0x1f, 0, 0, 0),
            leaf(1, 0, 0, 0xaabbccdd, 1U << 5, 0),
            leaf(4, 0, 0x1c004121, 0, 0, 0),
            leaf(4, 3, 0xfc1fc163, 0, 0, 0),
            leaf(6, 0, 0, 0, 0, 0),
            leaf(0xa, 0, 0x07300404, 1, 2, 3),
            leaf(0xb, 0, 1, 2, 0x100, 77),
            leaf(0xb, 1, 6, 64, 0x201, 77),
            leaf(0xd, 0, 0x207, 0, 0, 0),
            leaf(0x1f, 0, 1, 2, 0x100, 77),
            leaf(0x80000001, 0, 0, 0, 0xffffffff, 0),
            leaf(0x80000008, 0, 0, 0, 0x703f, 0),
            leaf(0x8000000a, 0, 1, 8, 0, 9),
            leaf(0x8000001e, 0, 5, 5, 5, 0)};
}

kvm_cpuid_entry2 get(const std::vector<kvm_cpuid_entry2>& leaves, uint32_t function,
                     uint32_t index = 0) {
    for (const auto& entry : leaves) {
        if (entry.function == function && entry.index == index) {
            return entry;
        }
    }
    ADD_FAILURE() << "no leaf " << function;
    return {};
}

TEST(Cpuid, bits_that_kvm_serves_are_announced) {
    const auto leaves = guest_cpuid(host(), {0, 1});
    EXPECT_NE(get(leaves, 1).ecx & 1U << 31, 0U);  // HYPERVISOR
    EXPECT_NE(get(leaves, 1).ecx & 1U << 24, 0U);  // TSC_DEADLINE
    EXPECT_NE(get(leaves, 6).eax & 1U << 2, 0U);   // ARAT
}

TEST(Cpuid, power_leaf_is_made_where_the_host_has_none) {
    auto supported = host();
    std::erase_if(supported, [](const auto& entry) { return entry.function == 6; });
    EXPECT_EQ(get(guest_cpuid(supported, {0, 1}), 6).eax, 1U << 2);
}

TEST(Cpuid, each_vcpu_has_its_own_id_everywhere) {
    for (const uint32_t index : {0U, 3U}) {
        const auto leaves = guest_cpuid(host(), {index, 4});
        EXPECT_EQ(get(leaves, 1).ebx >> 24, index);
        for (const uint32_t function : {0xbU, 0x1fU}) {
            for (const uint32_t level : {0U, 1U, 2U}) {
                EXPECT_EQ(get(leaves, function, level).edx, index);
            }
        }
        EXPECT_EQ(get(leaves, 0x8000001e).eax, index);
    }
}

TEST(Cpuid, topology_is_one_package_of_single_threaded_cores) {
    const auto leaves = guest_cpuid(host(), {1, 4});
    EXPECT_EQ(get(leaves, 0xb, 0).ebx, 1U);
    EXPECT_EQ(get(leaves, 0xb, 0).eax, 0U);
    EXPECT_EQ(get(leaves, 0xb, 1).ebx, 4U);
    EXPECT_EQ(get(leaves, 0xb, 1).eax, 2U);
    EXPECT_EQ(get(leaves, 0xb, 1).ecx >> 8, 2U);
    EXPECT_EQ(get(leaves, 1).ebx >> 16 & 0xff, 4U);
    EXPECT_NE(get(leaves, 1).edx & 1U << 28, 0U);
    EXPECT_EQ(get(leaves, 0x80000008).ecx & 0xff, 3U);
    EXPECT_EQ(get(leaves, 0x80000008).ecx >> 12 & 0xf, 2U);
    EXPECT_EQ(get(leaves, 4, 0).eax >> 14 & 0xfff, 0U);  // first level: not shared
    EXPECT_EQ(get(leaves, 4, 3).eax >> 14 & 0xfff, 3U);  // third level: by all
}

TEST(Cpuid, one_vcpu_has_no_hyper_threading_bit) {
    EXPECT_EQ(get(guest_cpuid(host(), {0, 1}), 1).edx & 1U << 28, 0U);
}

TEST(Cpuid, nested_virtualisation_and_counters_are_hidden) {
    const auto leaves = guest_cpuid(host(), {0, 1});
    EXPECT_EQ(get(leaves, 1).ecx & 1U << 5, 0U);           // VMX
    EXPECT_EQ(get(leaves, 0x80000001).ecx & 1U << 2, 0U);  // SVM
    EXPECT_EQ(get(leaves, 0x8000000a).eax, 0U);
    EXPECT_EQ(get(leaves, 0xa).eax, 0U);
}

TEST(Cpuid, paravirtual_end_of_interrupt_is_hidden) {
    auto supported = host();
    supported.push_back(leaf(0x40000001, 0, 0xffffffff, 0, 0, 0));
    EXPECT_EQ(get(guest_cpuid(supported, {0, 1}), 0x40000001).eax, 0xffffffbf);
}

TEST(Cpuid, extended_states_come_from_leaf_d) {
    EXPECT_EQ(extended_states(host()), 0x207U);
    EXPECT_EQ(extended_states({}), 0U);
}

}  // namespace
}  // namespace anchorhold::vmm
