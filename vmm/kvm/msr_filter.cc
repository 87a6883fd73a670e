// The list, and the bitmaps that KVM wants of it. Names are Linux's (asm/msr-index.h). What is
// allowed is what Linux touches on hosts of either vendor and what KVM keeps for the guest itself;
// left out are the performance counters and debug stores, branch records, processor trace, nested
// virtualisation, SGX, microcode loading, power and temperature, platform numbers, and Hyper-V's.
#include "vmm/kvm/msr_filter.h"

#include <linux/kvm.h>

#include <algorithm>
#include <array>

#include "vmm/kvm/ioctl.h"

namespace anchorhold::vmm::kvm {
namespace {

struct AllowedMsrs {
    uint32_t first;
    uint32_t last;
    MsrAccess access;
};
constexpr auto kRead = MsrAccess::kRead;
constexpr auto kWrite = MsrAccess::kWrite;
constexpr auto kBoth = MsrAccess::kBoth;

constexpr AllowedMsrs kAllowed[] = {
    {0x010, 0x010, kBoth},   // TSC: an offset of the guest's own
    {0x017, 0x017, kRead},   // PLATFORM_ID: Linux looks before it does without microcode updates
    {0x01b, 0x01b, kBoth},   // APICBASE: KVM's local APIC
    {0x03b, 0x03b, kBoth},   // TSC_ADJUST: the same offset
    {0x048, 0x048, kBoth},   // SPEC_CTRL: speculation, for this guest alone
    {0x049, 0x049, kWrite},  // PRED_CMD: a barrier
    {0x08b, 0x08b, kBoth},   // UCODE_REV: Intel's is read by writing 0 first; KVM made it up
    {0x0fe, 0x0fe, kRead},   // MTRRcap
    {0x10a, 0x10a, kRead},   // ARCH_CAPABILITIES: which mitigations are not needed
    {0x10b, 0x10b, kWrite},  // FLUSH_CMD: a barrier
    {0x122, 0x122, kBoth},   // TSX_CTRL: Linux turns transactions off with it, and verifies
    {0x174, 0x176, kBoth},   // SYSENTER_*
    {0x179, 0x17b, kBoth},   // MCG_*: machine checks, of which KVM shows none
    {0x1a0, 0x1a0, kBoth},   // MISC_ENABLE: Linux looks for the CPUID limit and fast strings
    {0x1d9, 0x1d9, kBoth},   // DEBUGCTL: single steps by branches; KVM refuses its other bits
    {0x200, 0x20f, kBoth},   // MTRRphys*: kept, without effect
    {0x250, 0x250, kBoth},   // MTRRfix*
    {0x258, 0x259, kBoth},   //
    {0x268, 0x26f, kBoth},   //
    {0x277, 0x277, kBoth},   // PAT
    {0x2ff, 0x2ff, kBoth},   // MTRRdefType
    {0x400, 0x47f, kBoth},   // MCx_*: machine checks
    {0x6e0, 0x6e0, kBoth},   // TSC_DEADLINE: the guest's timer
    {0xda0, 0xda0, kBoth},   // XSS: no state is offered for it

    {0x4b564d00, 0x4b564d03, kBoth},  // KVM's clock, asynchronous page faults, stolen time
    {0x4b564d05, 0x4b564d07, kBoth},  // polling when idle, acknowledging page faults

    {0xc0000080, 0xc0000084, kBoth},  // EFER STAR LSTAR CSTAR SYSCALL_MASK
    {0xc0000100, 0xc0000103, kBoth},  // FS_BASE GS_BASE KERNEL_GS_BASE TSC_AUX

    {0xc0010010, 0xc0010010, kBoth},  // SYSCFG: Linux looks for what lies above 4 GiB
    {0xc0010015, 0xc0010015, kBoth},  // HWCR: Linux looks for the TSC's kind
    {0xc001001a, 0xc001001a, kRead},  // TOP_MEM
    {0xc001001d, 0xc001001d, kRead},  // TOP_MEM2
    {0xc001001f, 0xc001001f, kBoth},  // NB_CFG: Linux allows extended configuration accesses
    {0xc0010055, 0xc0010055, kRead},  // INT_PENDING_MSG: Linux looks for C1E
    {0xc001011f, 0xc001011f, kBoth},  // VIRT_SPEC_CTRL: as SPEC_CTRL
    {0xc0010140, 0xc0010141, kRead},  // OSVW_*: which errata were worked around
    {0xc0011029, 0xc0011029, kBoth},  // DE_CFG: LFENCE serialises
};

// KVM takes at most 16 ranges with a bitmap each: four windows cover the list, once for reads and
// once for writes. In a range the bit decides; what no range covers is denied.
constexpr uint32_t kWindowSize = 0x1100;
constexpr uint32_t kWindows[] = {0x0, 0x4b564d00, 0xc0000000, 0xc0010000};
using Bitmap = std::array<uint8_t, kWindowSize / 8>;
static_assert(sizeof(Bitmap) <= KVM_MSR_FILTER_MAX_BITMAP_SIZE && sizeof(Bitmap) % 8 == 0);
static_assert(static_cast<uint32_t>(MsrAccess::kRead) == KVM_MSR_FILTER_READ &&
              static_cast<uint32_t>(MsrAccess::kWrite) == KVM_MSR_FILTER_WRITE);
static_assert(2 * std::size(kWindows) <= KVM_MSR_FILTER_MAX_RANGES);

constexpr bool includes(MsrAccess all, MsrAccess part) {
    const auto wanted = static_cast<unsigned>(part);
    return (static_cast<unsigned>(all) & wanted) == wanted;
}

constexpr bool in_a_window(const AllowedMsrs& range) {
    return std::ranges::any_of(kWindows, [&](uint32_t start) {
        return range.first >= start && range.last - start < kWindowSize;
    });
}
static_assert(std::ranges::all_of(kAllowed, in_a_window));

constexpr Bitmap bitmap(uint32_t start, MsrAccess access) {
    Bitmap bits{};
    for (const AllowedMsrs& range : kAllowed) {
        for (uint32_t index = range.first; index <= range.last; ++index) {
            if (includes(range.access, access) && index >= start && index - start < kWindowSize) {
                bits[(index - start) / 8] |= static_cast<uint8_t>(1U << ((index - start) % 8));
            }
        }
    }
    return bits;
}

}  // namespace

bool msr_allowed(uint32_t index, MsrAccess access) {
    return std::ranges::any_of(kAllowed, [&](const AllowedMsrs& range) {
        return index >= range.first && index <= range.last && includes(range.access, access);
    });
}

Status filter_msrs(const Vm& vm) {
    kvm_msr_filter filter{};
    filter.flags = KVM_MSR_FILTER_DEFAULT_DENY;
    std::array<Bitmap, 2 * std::size(kWindows)> bitmaps;
    size_t count = 0;
    for (const uint32_t start : kWindows) {
        for (const MsrAccess access : {kRead, kWrite}) {
            bitmaps[count] = bitmap(start, access);
            filter.ranges[count] = {.flags = static_cast<uint32_t>(access),
                                    .nmsrs = kWindowSize,
                                    .base = start,
                                    .bitmap = bitmaps[count].data()};
            ++count;
        }
    }
    return command(vm.fd(), KVM_X86_SET_MSR_FILTER, "KVM_X86_SET_MSR_FILTER", &filter);
}

}  // namespace anchorhold::vmm::kvm
