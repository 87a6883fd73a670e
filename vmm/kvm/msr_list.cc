// KVM's list, completed and cut.
#include "vmm/kvm/msr_list.h"

#include <algorithm>

namespace anchorhold::vmm::kvm {
namespace {

struct Range {
    uint32_t first;
    uint32_t last;
};

// KVM lists some of these on some hosts, none of them on all.
constexpr Range kAdded[] = {
    {0x200, 0x20f},            // MTRR_PHYSBASE0 to MTRR_PHYSMASK7
    {0x250, 0x250},            // MTRR_FIX64K_00000
    {0x258, 0x259},            // MTRR_FIX16K_*
    {0x268, 0x26f},            // MTRR_FIX4K_*
    {0x277, 0x277},            // IA32_PAT
    {0x2ff, 0x2ff},            // MTRR_DEF_TYPE
    {0xda0, 0xda0},            // IA32_XSS
    {0x4b564d00, 0x4b564d08},  // MSR_KVM_WALL_CLOCK_NEW to MSR_KVM_MIGRATION_CONTROL
};

constexpr Range kLeftOut[] = {
    {kMsrTsc, kMsrTsc},
    {0x480, 0x491},            // IA32_VMX_*: no nested virtualisation
    {0xc0010117, 0xc0010117},  // MSR_VM_HSAVE_PA
    {0x40000000, 0x400001ff},  // Hyper-V: writing one makes KVM allocate its state
};

bool left_out(uint32_t index) {
    return std::any_of(std::begin(kLeftOut), std::end(kLeftOut), [index](const Range& range) {
        return index >= range.first && index <= range.last;
    });
}

}  // namespace

Result<std::vector<uint32_t>> state_msrs(const System& system) {
    std::vector<uint32_t> indices = ANCHORHOLD_TRY(system.msr_indices());
    for (const Range& range : kAdded) {
        for (uint32_t index = range.first; index <= range.last; ++index) {
            indices.push_back(index);
        }
    }
    std::erase_if(indices, left_out);
    std::sort(indices.begin(), indices.end());
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
    return indices;
}

}  // namespace anchorhold::vmm::kvm
