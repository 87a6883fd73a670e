// The lists, word by word; names are Linux's (arch/x86/include/asm/cpufeatures.h). Left out, and
// not only by oversight: nested virtualisation (VMX, SVM, SMX, SKINIT), whatever counts or samples
// (PMU, PEBS, DS, PT, LBR, IBS, LWP, RDT, RDPRU), transactions (HLE, RTM, TSXLDTRK: TAA and its
// kin), MPX, SGX and SEV, AMX, key locker, CET, FRED, LAM (SLAM), protection keys for supervisors,
// waiting that idles a host's core (MONITOR, MWAITX, WAITPKG), power and temperature.
#include "vmm/boot/cpuid_template.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>

namespace anchorhold::vmm {
namespace {

constexpr uint32_t kAll = UINT32_MAX;
constexpr uint32_t kEverySubleaf = UINT32_MAX;
// The highest leaves that have a place below; those of later processors do not exist for guests.
constexpr uint32_t kHighestBasic = 0x1f;
constexpr uint32_t kHighestExtended = 0x80000021;
constexpr uint32_t kHighestKvm = 0x40000001;
constexpr uint32_t kHighestFeatureSubleaf = 2;

constexpr uint32_t bits(std::initializer_list<unsigned> positions) {
    uint32_t word = 0;
    for (const unsigned position : positions) {
        word |= 1U << position;
    }
    return word;
}

constexpr uint32_t k1Ecx = bits({
    0,  1,  9,       // SSE3 PCLMULQDQ SSSE3
    12, 13, 17,      // FMA CX16 PCID
    19, 20,          // SSE4_1 SSE4_2
    21, 24,          // X2APIC TSC_DEADLINE_TIMER
    22, 23, 25,      // MOVBE POPCNT AES
    26, 27, 28, 29,  // XSAVE OSXSAVE AVX F16C
    30, 31,          // RDRAND HYPERVISOR
});
constexpr uint32_t k1Edx = bits({
    0,  1,  2,  3,  4,  5,  6,   // FPU VME DE PSE TSC MSR PAE
    7,  8,  9,  11, 12, 13, 14,  // MCE CX8 APIC SEP MTRR PGE MCA
    15, 16, 17, 19,              // CMOV PAT PSE36 CLFLUSH
    23, 24, 25, 26, 27, 28,      // MMX FXSR SSE SSE2 SELFSNOOP HT
});
constexpr uint32_t k7Ebx = bits({
    0,  1,  3,  8,           // FSGSBASE TSC_ADJUST BMI1 BMI2
    5,  6,  13,              // AVX2 FDP_EXCPTN_ONLY ZERO_FCS_FDS
    7,  9,  10, 20,          // SMEP ERMS INVPCID SMAP
    16, 17, 21, 28, 30, 31,  // AVX512F DQ IFMA CD BW VL
    18, 19, 23, 24, 29,      // RDSEED ADX CLFLUSHOPT CLWB SHA_NI
});
constexpr uint32_t k7Ecx = bits({
    1, 6, 11, 12, 14,  // AVX512_VBMI VBMI2 VNNI BITALG VPOPCNTDQ
    2, 3, 4, 16,       // UMIP PKU OSPKE LA57
    8, 9, 10,          // GFNI VAES VPCLMULQDQ
    22, 27, 28,        // RDPID MOVDIRI MOVDIR64B
});
constexpr uint32_t k7Edx = bits({
    4, 8, 14, 23,    // FSRM AVX512_VP2INTERSECT SERIALIZE AVX512_FP16
    10, 26, 27, 28,  // MD_CLEAR SPEC_CTRL INTEL_STIBP FLUSH_L1D
    29, 31,          // ARCH_CAPABILITIES SPEC_CTRL_SSBD
});
constexpr uint32_t k7_1Eax = bits({
    0, 1, 2,      // SHA512 SM3 SM4
    4, 5, 7, 23,  // AVX_VNNI AVX512_BF16 CMPCCXADD AVX_IFMA
    10, 11, 12,   // FZRM FSRS FSRC
});
constexpr uint32_t k7_1Edx = bits({4, 5, 10});  // AVX_VNNI_INT8 AVX_NE_CONVERT AVX_VNNI_INT16
// Bits of IA32_SPEC_CTRL: PSFD IPRED RRSBA DDPD BHI, and MCDT_NO.
constexpr uint32_t k7_2Edx = bits({0, 1, 2, 3, 4, 5});
constexpr uint32_t kXcr0 = bits({0, 1, 2, 5, 6, 7, 9});  // x87 SSE AVX AVX-512 PKRU
constexpr uint32_t kXsave = bits({0, 1, 2, 3});          // XSAVEOPT XSAVEC XGETBV1 XSAVES
constexpr uint32_t kKvm = bits({
    1, 3, 24,    // NOP_IO_DELAY CLOCKSOURCE2 CLOCKSOURCE_STABLE
    4, 14,       // ASYNC_PF ASYNC_PF_INT
    5, 7, 9,     // STEAL_TIME PV_UNHALT PV_TLB_FLUSH
    11, 12, 13,  // PV_SEND_IPI POLL_CONTROL PV_SCHED_YIELD
    // PV_EOI (6): hosts with APICv or AVIC have no use for it; under QEMU's TCG interrupts arrive
    // twice with it (images/machine/README.md).
});
constexpr uint32_t kX1Ecx = bits({
    0, 1, 4,        // LAHF_LM CMP_LEGACY CR8_LEGACY
    5, 6, 7, 8,     // ABM SSE4A MISALIGNSSE 3DNOWPREFETCH
    9, 11, 16, 21,  // OSVW XOP FMA4 TBM
    22,             // TOPOEXT
});
constexpr uint32_t kX1Edx = bits({
    0,  1,  2,  3,  4,  5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 23, 24,  // as in leaf 1
    11, 20, 22, 25,      // SYSCALL NX MMXEXT FXSR_OPT
    26, 27, 29, 30, 31,  // GBPAGES RDTSCP LM 3DNOWEXT 3DNOW
});
constexpr uint32_t kX8Ebx = bits({
    0, 2, 9,         // CLZERO XSAVEERPTR WBNOINVD
    12, 14, 15,      // AMD_IBPB AMD_IBRS AMD_STIBP
    16, 17, 18, 19,  // which of them are always on, or preferred
    24, 25, 26,      // AMD_SSBD VIRT_SSBD AMD_SSB_NO
    28, 29, 30,      // AMD_PSFD BTC_NO AMD_IBPB_RET
});
constexpr uint32_t kX21Eax = bits({
    0, 2, 6, 9,  // NO_NESTED_DATA_BP LFENCE_RDTSC NULL_SEL_CLR_BASE NO_SMM_CTL_MSR
    8, 10, 11,   // AUTOIBRS FSRS FSRC
    5, 27, 28,   // VERW_CLEAR SBPB IBPB_BRTYPE
    29, 30,      // SRSO_NO SRSO_USER_KERNEL_NO
});
constexpr uint32_t kX21Ecx = bits({1, 2});  // TSA_SQ_NO TSA_L1_NO

// The bits of one leaf that a guest may see.
struct AllowedLeaf {
    uint32_t function;
    uint32_t index;  // of the sub-leaf, or kEverySubleaf
    uint32_t eax, ebx, ecx, edx;
};

// What no entry names is not shown. 0xb and 0x1f are written anew (cpuid.cc).
constexpr AllowedLeaf kTemplate[] = {
    {0x0, 0, kAll, kAll, kAll, kAll},                    // vendor
    {0x1, 0, kAll, kAll, k1Ecx, k1Edx},                  // model, features
    {0x2, 0, kAll, kAll, kAll, kAll},                    // caches, as Intel once told them
    {0x4, kEverySubleaf, kAll, kAll, kAll, 0x7},         // caches
    {0x6, 0, bits({2}), 0, 0, 0},                        // ARAT
    {0x7, 0, kAll, k7Ebx, k7Ecx, k7Edx},                 // features
    {0x7, 1, k7_1Eax, 0, 0, k7_1Edx},                    //
    {0x7, 2, 0, 0, 0, k7_2Edx},                          //
    {0xd, 0, kXcr0, kAll, kAll, 0},                      // extended states
    {0xd, 1, kXsave, kAll, 0, 0},                        // none for supervisors (IA32_XSS)
    {0xd, 2, kAll, kAll, kAll, 0},                       // AVX
    {0xd, 5, kAll, kAll, kAll, 0},                       // AVX-512: masks,
    {0xd, 6, kAll, kAll, kAll, 0},                       // upper halves,
    {0xd, 7, kAll, kAll, kAll, 0},                       // upper registers
    {0xd, 9, kAll, kAll, kAll, 0},                       // PKRU
    {0x40000000, 0, kAll, kAll, kAll, kAll},             // KVM's name
    {0x40000001, 0, kKvm, 0, 0, 0},                      //
    {0x80000000, 0, kAll, kAll, kAll, kAll},             // vendor
    {0x80000001, 0, kAll, kAll, kX1Ecx, kX1Edx},         // features
    {0x80000002, 0, kAll, kAll, kAll, kAll},             // the model's name
    {0x80000003, 0, kAll, kAll, kAll, kAll},             //
    {0x80000004, 0, kAll, kAll, kAll, kAll},             //
    {0x80000005, 0, kAll, kAll, kAll, kAll},             // caches and TLBs, as AMD tells them
    {0x80000006, 0, kAll, kAll, kAll, kAll},             //
    {0x80000007, 0, 0, 0, 0, bits({8})},                 // CONSTANT_TSC
    {0x80000008, 0, kAll, kX8Ebx, kAll, 0},              // sizes of addresses
    {0x8000001d, kEverySubleaf, kAll, kAll, kAll, 0x7},  // caches
    {0x8000001e, 0, kAll, kAll, kAll, 0},                // topology
    {0x80000021, 0, kX21Eax, 0, kX21Ecx, 0},             //
};

const AllowedLeaf* find(uint32_t function, uint32_t index) {
    const auto* const found = std::ranges::find_if(kTemplate, [&](const AllowedLeaf& entry) {
        return entry.function == function && (entry.index == kEverySubleaf || entry.index == index);
    });
    return found == std::ranges::end(kTemplate) ? nullptr : found;
}

// Leaves that say how many of their kind there are.
void bound_highest(kvm_cpuid_entry2& leaf) {
    const auto at_most = [&leaf](uint32_t highest) { leaf.eax = std::min(leaf.eax, highest); };
    switch (leaf.function) {
        case 0x0:
            return at_most(kHighestBasic);
        case 0x7:
            return leaf.index == 0 ? at_most(kHighestFeatureSubleaf) : void();
        case 0x40000000:
            return at_most(kHighestKvm);
        case 0x80000000:
            return at_most(kHighestExtended);
        default:
            return;
    }
}

}  // namespace

bool allow_by_template(kvm_cpuid_entry2& leaf) {
    const bool indexed = (leaf.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
    const AllowedLeaf* const allowed = find(leaf.function, indexed ? leaf.index : 0);
    if (allowed == nullptr) {
        return false;
    }
    leaf.eax &= allowed->eax;
    leaf.ebx &= allowed->ebx;
    leaf.ecx &= allowed->ecx;
    leaf.edx &= allowed->edx;
    bound_highest(leaf);
    return true;
}

}  // namespace anchorhold::vmm
