// The allow-list, by what must and what must not be on it.
#include "vmm/kvm/msr_filter.h"

#include <gtest/gtest.h>

namespace anchorhold::vmm::kvm {
namespace {

TEST(MsrFilter, what_a_guest_boots_with_is_allowed) {
    // TSC, APICBASE, SYSENTER_CS, PAT, TSC_DEADLINE, KVM's clock, EFER, LSTAR, KERNEL_GS_BASE.
    for (const uint32_t index : {0x10U, 0x1bU, 0x174U, 0x277U, 0x6e0U, 0x4b564d01U, 0xc0000080U,
                                 0xc0000082U, 0xc0000102U}) {
        EXPECT_TRUE(msr_allowed(index, MsrAccess::kBoth)) << std::hex << index;
    }
}

TEST(MsrFilter, what_only_reads_is_not_written) {
    EXPECT_TRUE(msr_allowed(0x10a, MsrAccess::kRead));
    EXPECT_FALSE(msr_allowed(0x10a, MsrAccess::kWrite)) << "ARCH_CAPABILITIES";
    EXPECT_FALSE(msr_allowed(0x49, MsrAccess::kRead)) << "PRED_CMD";
}

TEST(MsrFilter, surface_that_guests_have_no_business_with_is_denied) {
    struct {
        uint32_t first;
        uint32_t last;
        const char* what;
    } constexpr kDenied[] = {
        {0x3a, 0x3a, "FEAT_CTL"},
        {0x79, 0x79, "microcode"},
        {0x9e, 0x9e, "SMBASE"},
        {0xc1, 0xc8, "counters"},
        {0xce, 0xce, "PLATFORM_INFO"},
        {0x186, 0x18d, "events"},
        {0x1c9, 0x1c9, "branch records"},
        {0x309, 0x30c, "fixed counters"},
        {0x345, 0x345, "PERF_CAPABILITIES"},
        {0x38d, 0x391, "PERF_GLOBAL"},
        {0x3f1, 0x3f2, "PEBS"},
        {0x480, 0x493, "VMX"},
        {0x4c1, 0x4c8, "wide counters"},
        {0x560, 0x587, "processor trace"},
        {0x600, 0x600, "debug store"},
        {0x6a0, 0x6a8, "CET"},
        {0xd90, 0xd90, "MPX"},
        {0x40000000, 0x400001ff, "Hyper-V"},
        {0x4b564d04, 0x4b564d04, "PV_EOI"},
        {0xc0000104, 0xc0000105, "TSC ratio, LWP"},
        {0xc0010000, 0xc0010007, "counters"},
        {0xc0010114, 0xc0010117, "SVM"},
        {0xc0010130, 0xc0010131, "SEV"},
        {0xc0010200, 0xc001020b, "counters"},
        {0xc0011030, 0xc001103d, "IBS"},
    };
    for (const auto& range : kDenied) {
        for (uint32_t index = range.first; index <= range.last; ++index) {
            EXPECT_FALSE(msr_allowed(index, MsrAccess::kRead) ||
                         msr_allowed(index, MsrAccess::kWrite))
                << range.what << " " << std::hex << index;
        }
    }
}

}  // namespace
}  // namespace anchorhold::vmm::kvm
