// check_cpu() on made-up processors.
#include "vmm/snapshot/cpu_compatibility.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::vmm {
namespace {

using Leaves = std::vector<kvm_cpuid_entry2>;

kvm_cpuid_entry2& at(Leaves& leaves, uint32_t function, uint32_t index = 0) {
    return *std::find_if(leaves.begin(), leaves.end(), [&](const kvm_cpuid_entry2& leaf) {
        return leaf.function == function && leaf.index == index;
    });
}

void set_vendor(Leaves& leaves, std::string_view name) {
    kvm_cpuid_entry2& leaf = at(leaves, 0);
    std::memcpy(&leaf.ebx, name.data(), 4);
    std::memcpy(&leaf.edx, name.data() + 4, 4);
    std::memcpy(&leaf.ecx, name.data() + 8, 4);
}

kvm_cpuid_entry2 leaf(uint32_t function, uint32_t index, uint32_t flags) {
    kvm_cpuid_entry2 made{};
    made.function = function;
    made.index = index;
    made.flags = flags;
    return made;
}

Leaves processor() {
    Leaves leaves;
    for (const uint32_t function :
         {0x0U, 0x1U, 0x6U, 0x40000001U, 0x80000001U, 0x80000007U, 0x80000008U}) {
        leaves.push_back(leaf(function, 0, 0));
    }
    for (const auto& [function, index] :
         {std::pair(0x7U, 0U), {0x7U, 1U}, {0xdU, 0U}, {0xdU, 1U}}) {
        leaves.push_back(leaf(function, index, KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
    }
    set_vendor(leaves, "AuthenticAMD");
    at(leaves, 1).ecx = 1U << 25 | 1U << 28;  // aes, avx
    at(leaves, 7).ebx = 1U << 5;              // avx2
    at(leaves, 0xd).eax = 0x7;
    at(leaves, 0x80000008).eax = 0x3028;  // 40 bits of physical address
    return leaves;
}

// What is said of a guest of `guest` on a host of `host`; empty: it may run.
std::string said(const Leaves& guest, const Leaves& host) {
    const Status checked = check_cpu(guest, host);
    return checked ? "" : checked.error().message;
}

TEST(CpuCompatibility, equal_processors_fit) {
    EXPECT_EQ(said(processor(), processor()), "");
}

TEST(CpuCompatibility, host_with_more_fits) {
    Leaves host = processor();
    at(host, 7).ebx |= 1U << 16;
    at(host, 0x80000008).eax = 0x3034;
    EXPECT_EQ(said(processor(), host), "");
}

TEST(CpuCompatibility, missing_feature_is_named) {
    Leaves host = processor();
    at(host, 7).ebx = 0;
    EXPECT_TRUE(said(processor(), host).ends_with("features that this host lacks: avx2"))
        << said(processor(), host);
}

TEST(CpuCompatibility, all_missing_features_are_named) {
    Leaves guest = processor();
    at(guest, 7).ebx |= 1U << 16 | 1U << 29;
    at(guest, 0x80000001).edx |= 1U << 27;
    EXPECT_TRUE(said(guest, processor()).ends_with("lacks: avx512f, sha_ni, rdtscp"))
        << said(guest, processor());
}

TEST(CpuCompatibility, feature_without_a_name_is_given_as_its_bit) {
    Leaves guest = processor();
    at(guest, 7, 1).eax |= 1U << 4;
    EXPECT_TRUE(said(guest, processor()).ends_with("CPUID 7.1.eax bit 4"))
        << said(guest, processor());
}

TEST(CpuCompatibility, every_feature_word_is_compared) {
    using Word = uint32_t kvm_cpuid_entry2::*;
    struct Place {
        uint32_t function;
        uint32_t index;
        Word word;
    };
    for (const Place& place : std::vector<Place>{{0x1, 0, &kvm_cpuid_entry2::ecx},
                                                 {0x1, 0, &kvm_cpuid_entry2::edx},
                                                 {0x6, 0, &kvm_cpuid_entry2::eax},
                                                 {0x7, 0, &kvm_cpuid_entry2::ebx},
                                                 {0x7, 0, &kvm_cpuid_entry2::ecx},
                                                 {0x7, 0, &kvm_cpuid_entry2::edx},
                                                 {0x7, 1, &kvm_cpuid_entry2::eax},
                                                 {0xd, 0, &kvm_cpuid_entry2::eax},
                                                 {0xd, 0, &kvm_cpuid_entry2::edx},
                                                 {0xd, 1, &kvm_cpuid_entry2::eax},
                                                 {0x40000001, 0, &kvm_cpuid_entry2::eax},
                                                 {0x80000001, 0, &kvm_cpuid_entry2::ecx},
                                                 {0x80000001, 0, &kvm_cpuid_entry2::edx},
                                                 {0x80000007, 0, &kvm_cpuid_entry2::edx},
                                                 {0x80000008, 0, &kvm_cpuid_entry2::ebx}}) {
        Leaves guest = processor();
        at(guest, place.function, place.index).*place.word |= 1U << 9;
        EXPECT_NE(said(guest, processor()).find("features that this host lacks"), std::string::npos)
            << std::hex << place.function << "." << place.index;
    }
}

TEST(CpuCompatibility, host_without_the_leaf_lacks_its_features) {
    Leaves host = processor();
    std::erase_if(host, [](const kvm_cpuid_entry2& leaf) { return leaf.function == 7; });
    EXPECT_TRUE(said(processor(), host).ends_with("lacks: avx2")) << said(processor(), host);
}

TEST(CpuCompatibility, bits_that_follow_the_guests_own_registers_do_not_count) {
    Leaves guest = processor();
    at(guest, 1).ecx |= 1U << 27;  // OSXSAVE
    at(guest, 7).ecx |= 1U << 4;   // OSPKE
    EXPECT_EQ(said(guest, processor()), "");
}

TEST(CpuCompatibility, features_of_leaves_that_only_newer_processors_have_are_missed) {
    const struct {
        uint32_t function, index;
        uint32_t kvm_cpuid_entry2::*in;
        const char* expected;
    } cases[] = {
        {0x7, 1, &kvm_cpuid_entry2::ecx, "CPUID 7.1.ecx bit 3"},
        {0x7, 1, &kvm_cpuid_entry2::edx, "CPUID 7.1.edx bit 3"},
        {0x7, 2, &kvm_cpuid_entry2::edx, "CPUID 7.2.edx bit 3"},
        {0x14, 0, &kvm_cpuid_entry2::ebx, "CPUID 14.ebx bit 3"},
        {0x19, 0, &kvm_cpuid_entry2::ebx, "CPUID 19.ebx bit 3"},
        {0x1e, 1, &kvm_cpuid_entry2::eax, "CPUID 1e.1.eax bit 3"},
        {0x80000021, 0, &kvm_cpuid_entry2::eax, "CPUID 80000021.eax bit 3"},
    };
    for (const auto& test : cases) {
        Leaves guest = processor();
        guest.push_back(leaf(test.function, test.index, KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
        // The processor has (7, 1) already: the first of equals is the one that counts.
        at(guest, test.function, test.index).*test.in = 1U << 3;
        EXPECT_NE(said(guest, processor()).find(test.expected), std::string::npos)
            << said(guest, processor());
        EXPECT_EQ(said(guest, guest), "");
    }
}

TEST(CpuCompatibility, other_vendor_is_refused_with_both_names) {
    Leaves host = processor();
    set_vendor(host, "GenuineIntel");
    const std::string why = said(processor(), host);
    EXPECT_NE(why.find("'AuthenticAMD'"), std::string::npos) << why;
    EXPECT_NE(why.find("'GenuineIntel'"), std::string::npos) << why;
}

TEST(CpuCompatibility, vendor_that_is_no_text_is_shown_without_its_bytes) {
    Leaves guest = processor();
    set_vendor(guest, "\x1b[31m\n\r\t\x80\xff..");
    const std::string why = said(guest, processor());
    EXPECT_TRUE(std::all_of(why.begin(), why.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }))
        << why;
    EXPECT_NE(why.find("AuthenticAMD"), std::string::npos) << why;
}

TEST(CpuCompatibility, guest_without_any_leaves_is_of_no_vendor) {
    EXPECT_NE(said({}, processor()), "");
}

TEST(CpuCompatibility, fewer_address_bits_are_refused_with_both_numbers) {
    Leaves host = processor();
    at(host, 0x80000008).eax = 0x3027;
    EXPECT_EQ(said(processor(), host),
              "the snapshot's guest knows 40 bits of physical address, this host has 39");
}

}  // namespace
}  // namespace anchorhold::vmm
