// guest_cpuid() on made-up hosts.
#include "vmm/boot/cpuid.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "vmm/snapshot/cpu_compatibility.h"

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
    entry.flags = index != 0 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
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

// A host that has every bit of every leaf, with more leaves than there are names for.
std::vector<kvm_cpuid_entry2> host_with_everything() {
    std::vector<kvm_cpuid_entry2> leaves;
    for (const uint32_t from : {0U, 0x40000000U, 0x80000000U, 0xc0000000U}) {
        for (uint32_t function = from; function < from + 0x40; ++function) {
            for (uint32_t index = 0; index < 20; ++index) {
                leaves.push_back(leaf(function, index, ~0U, ~0U, ~0U, ~0U));
                leaves.back().flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
            }
        }
    }
    return leaves;
}

bool has(const std::vector<kvm_cpuid_entry2>& leaves, uint32_t function, uint32_t index = 0) {
    return std::ranges::any_of(leaves, [&](const auto& entry) {
        return entry.function == function && entry.index == index;
    });
}

TEST(Cpuid, what_guests_have_no_business_with_is_hidden) {
    const auto leaves = guest_cpuid(host_with_everything(), {0, 1});
    const auto bit = [](unsigned position) { return 1U << position; };
    EXPECT_EQ(get(leaves, 1).ecx & (bit(2) | bit(3) | bit(4) | bit(5) | bit(6) | bit(15)), 0U)
        << "DTES64, MONITOR, DS-CPL, VMX, SMX, PDCM";
    EXPECT_EQ(get(leaves, 1).edx & (bit(18) | bit(21) | bit(22) | bit(29)), 0U)
        << "PSN, DS, ACPI, TM";
    EXPECT_EQ(get(leaves, 6).eax, bit(2)) << "power";
    EXPECT_EQ(get(leaves, 7).ebx & (bit(2) | bit(4) | bit(11) | bit(12) | bit(14) | bit(25)), 0U)
        << "SGX, HLE, RTM, RDT, MPX, PT";
    EXPECT_EQ(get(leaves, 7).ecx & (bit(5) | bit(7) | bit(23) | bit(30) | bit(31)), 0U)
        << "WAITPKG, SHSTK, key locker, SGX_LC, PKS";
    EXPECT_EQ(get(leaves, 7).edx & (bit(11) | bit(13) | bit(16) | bit(19) | bit(24)), 0U)
        << "TSX, LBR, AMX";
    EXPECT_EQ(get(leaves, 0xd).eax & (bit(3) | bit(4) | bit(8) | bit(17) | bit(18)), 0U);
    EXPECT_EQ(get(leaves, 0xd).edx, 0U) << "LWP";
    EXPECT_EQ(get(leaves, 0xd, 1).ecx, 0U) << "states for supervisors";
    EXPECT_EQ(get(leaves, 0x80000001).ecx &
                  (bit(2) | bit(10) | bit(12) | bit(15) | bit(23) | bit(24) | bit(28) | bit(29)),
              0U)
        << "SVM, IBS, SKINIT, LWP, counters, MWAITX";
    EXPECT_EQ(get(leaves, 0x80000008).ebx & bit(4), 0U) << "RDPRU";
    for (const uint32_t function :
         {0x3U,        0x5U,        0xaU,        0xfU,        0x10U,       0x12U,      0x14U,
          0x19U,       0x1cU,       0x1dU,       0x1eU,       0x20U,       0x24U,      0x40000002U,
          0x8000000aU, 0x8000001bU, 0x8000001cU, 0x8000001fU, 0x80000022U, 0xc0000001U}) {
        EXPECT_FALSE(has(leaves, function)) << std::hex << function;
    }
    EXPECT_FALSE(has(leaves, 0xd, 17)) << "AMX";
    EXPECT_FALSE(has(leaves, 0xd, 11)) << "CET";
}

TEST(Cpuid, what_is_not_shown_is_not_counted) {
    const auto leaves = guest_cpuid(host_with_everything(), {0, 1});
    EXPECT_EQ(get(leaves, 0).eax, 0x1fU);
    EXPECT_EQ(get(leaves, 7).eax, 2U);
    EXPECT_EQ(get(leaves, 0x40000000).eax, 0x40000001U);
    EXPECT_EQ(get(leaves, 0x80000000).eax, 0x80000021U);
}

TEST(Cpuid, the_largest_xsave_area_is_that_of_the_states_shown) {
    auto supported = host();
    supported.push_back(leaf(0xd, 2, 256, 576, 0, 0));
    supported.push_back(leaf(0xd, 9, 8, 832, 0, 0));
    supported.push_back(leaf(0xd, 18, 8192, 2816, 0, 0));
    for (auto& entry : supported) {
        entry.flags = entry.function == 0xd ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    }
    EXPECT_EQ(get(guest_cpuid(supported, {0, 1}), 0xd).ecx, 840U);
}

TEST(Cpuid, paravirtual_end_of_interrupt_is_hidden) {
    const auto leaves = guest_cpuid(host_with_everything(), {0, 1});
    EXPECT_EQ(get(leaves, 0x40000001).eax & 1U << 6, 0U);
    EXPECT_NE(get(leaves, 0x40000001).eax & 1U << 3, 0U);  // CLOCKSOURCE2
}

// A snapshot's guest was shown what the template allowed; the host it comes to is asked the same.
TEST(Cpuid, what_a_guest_was_shown_fits_the_host_that_showed_it) {
    const auto leaves = guest_cpuid(host_with_everything(), {0, 1});
    EXPECT_TRUE(check_cpu(leaves, guest_cpuid(host_with_everything(), {0, 1})));
    EXPECT_FALSE(check_cpu(host_with_everything(), leaves));
}

TEST(Cpuid, extended_states_come_from_leaf_d) {
    EXPECT_EQ(extended_states(host()), 0x207U);
    EXPECT_EQ(extended_states({}), 0U);
}

}  // namespace
}  // namespace anchorhold::vmm
