// Feature words of CPUID, and the names that Linux gives their bits in /proc/cpuinfo.
#include "vmm/snapshot/cpu_compatibility.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

namespace anchorhold::vmm {
namespace {

enum class Register : uint8_t { kEax, kEbx, kEcx, kEdx };

// A word whose set bits promise something.
struct FeatureWord {
    uint32_t function;
    uint32_t index;
    Register in;
    uint32_t mask;  // the bits that are features
    std::string_view name;
};

constexpr uint32_t kAll = 0xffffffff;
constexpr FeatureWord kWords[] = {
    // OSXSAVE (27) follows the guest's own CR4.
    {0x1, 0, Register::kEcx, kAll & ~(1U << 27), "1.ecx"},
    {0x1, 0, Register::kEdx, kAll & ~(1U << 28), "1.edx"},
    {0x6, 0, Register::kEax, kAll, "6.eax"},
    // OSPKE (4) follows CR4 too.
    {0x7, 0, Register::kEbx, kAll, "7.ebx"},
    {0x7, 0, Register::kEcx, kAll & ~(1U << 4), "7.ecx"},
    {0x7, 0, Register::kEdx, kAll, "7.edx"},
    {0x7, 1, Register::kEax, kAll, "7.1.eax"},
    {0x7, 1, Register::kEbx, kAll, "7.1.ebx"},
    {0x7, 1, Register::kEcx, kAll, "7.1.ecx"},
    {0x7, 1, Register::kEdx, kAll, "7.1.edx"},
    {0x7, 2, Register::kEdx, kAll, "7.2.edx"},
    {0xd, 0, Register::kEax, kAll, "xcr0.low"},
    {0xd, 0, Register::kEdx, kAll, "xcr0.high"},
    {0xd, 1, Register::kEax, kAll, "d.1.eax"},
    {0x14, 0, Register::kEbx, kAll, "14.ebx"},
    {0x14, 0, Register::kEcx, kAll, "14.ecx"},
    {0x19, 0, Register::kEax, kAll, "19.eax"},
    {0x19, 0, Register::kEbx, kAll, "19.ebx"},
    {0x1e, 1, Register::kEax, kAll, "1e.1.eax"},
    {0x24, 0, Register::kEbx, ~0xffU, "24.ebx"},  // below: AVX10's version
    {0x40000001, 0, Register::kEax, kAll, "kvm"},
    {0x80000001, 0, Register::kEcx, kAll, "80000001.ecx"},
    {0x80000001, 0, Register::kEdx, kAll, "80000001.edx"},
    {0x80000007, 0, Register::kEdx, kAll, "80000007.edx"},
    {0x80000008, 0, Register::kEbx, kAll, "80000008.ebx"},
    {0x80000021, 0, Register::kEax, kAll, "80000021.eax"},
};

struct Named {
    std::string_view word;
    uint8_t bit;
    std::string_view name;
};
constexpr Named kNames[] = {
    {"1.ecx", 0, "pni"},
    {"1.ecx", 1, "pclmulqdq"},
    {"1.ecx", 9, "ssse3"},
    {"1.ecx", 12, "fma"},
    {"1.ecx", 13, "cx16"},
    {"1.ecx", 17, "pcid"},
    {"1.ecx", 19, "sse4_1"},
    {"1.ecx", 20, "sse4_2"},
    {"1.ecx", 21, "x2apic"},
    {"1.ecx", 22, "movbe"},
    {"1.ecx", 23, "popcnt"},
    {"1.ecx", 24, "tsc_deadline_timer"},
    {"1.ecx", 25, "aes"},
    {"1.ecx", 26, "xsave"},
    {"1.ecx", 28, "avx"},
    {"1.ecx", 29, "f16c"},
    {"1.ecx", 30, "rdrand"},
    {"7.ebx", 0, "fsgsbase"},
    {"7.ebx", 1, "tsc_adjust"},
    {"7.ebx", 3, "bmi1"},
    {"7.ebx", 5, "avx2"},
    {"7.ebx", 7, "smep"},
    {"7.ebx", 8, "bmi2"},
    {"7.ebx", 9, "erms"},
    {"7.ebx", 10, "invpcid"},
    {"7.ebx", 16, "avx512f"},
    {"7.ebx", 17, "avx512dq"},
    {"7.ebx", 18, "rdseed"},
    {"7.ebx", 19, "adx"},
    {"7.ebx", 20, "smap"},
    {"7.ebx", 21, "avx512ifma"},
    {"7.ebx", 23, "clflushopt"},
    {"7.ebx", 24, "clwb"},
    {"7.ebx", 28, "avx512cd"},
    {"7.ebx", 29, "sha_ni"},
    {"7.ebx", 30, "avx512bw"},
    {"7.ebx", 31, "avx512vl"},
    {"7.ecx", 1, "avx512vbmi"},
    {"7.ecx", 2, "umip"},
    {"7.ecx", 3, "pku"},
    {"7.ecx", 6, "avx512_vbmi2"},
    {"7.ecx", 8, "gfni"},
    {"7.ecx", 9, "vaes"},
    {"7.ecx", 10, "vpclmulqdq"},
    {"7.ecx", 11, "avx512_vnni"},
    {"7.ecx", 16, "la57"},
    {"7.ecx", 22, "rdpid"},
    {"7.edx", 4, "fsrm"},
    {"7.edx", 26, "ibrs"},
    {"7.edx", 27, "stibp"},
    {"7.edx", 31, "ssbd"},
    {"xcr0.low", 2, "avx state"},
    {"xcr0.low", 5, "avx512 state"},
    {"xcr0.low", 9, "pku state"},
    {"80000001.ecx", 5, "abm"},
    {"80000001.ecx", 6, "sse4a"},
    {"80000001.ecx", 11, "xop"},
    {"80000001.ecx", 16, "fma4"},
    {"80000001.edx", 20, "nx"},
    {"80000001.edx", 26, "pdpe1gb"},
    {"80000001.edx", 27, "rdtscp"},
    {"80000007.edx", 8, "constant_tsc"},
    {"80000008.ebx", 0, "clzero"},
};

const kvm_cpuid_entry2* find(std::span<const kvm_cpuid_entry2> leaves, uint32_t function,
                             uint32_t index) {
    for (const kvm_cpuid_entry2& leaf : leaves) {
        const bool indexed = (leaf.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
        if (leaf.function == function && (indexed ? leaf.index == index : index == 0)) {
            return &leaf;
        }
    }
    return nullptr;
}

uint32_t word(const kvm_cpuid_entry2* leaf, Register in) {
    if (leaf == nullptr) {
        return 0;
    }
    const std::array<uint32_t, 4> registers = {leaf->eax, leaf->ebx, leaf->ecx, leaf->edx};
    return registers[static_cast<size_t>(in)];
}

std::string name_of(std::string_view word, unsigned bit) {
    for (const Named& named : kNames) {
        if (named.word == word && named.bit == bit) {
            return std::string(named.name);
        }
    }
    return fmt::format("CPUID {} bit {}", word, bit);
}

std::string vendor(std::span<const kvm_cpuid_entry2> leaves) {
    const kvm_cpuid_entry2* leaf = find(leaves, 0, 0);
    if (leaf == nullptr) {
        return {};
    }
    const std::array<uint32_t, 3> words = {leaf->ebx, leaf->edx, leaf->ecx};
    std::array<char, sizeof words> text{};
    std::memcpy(text.data(), words.data(), sizeof words);
    std::string name;
    for (const char c : text) {
        name += c >= 0x20 && c <= 0x7e ? c : '?';
    }
    return name;
}

}  // namespace

Status check_cpu(std::span<const kvm_cpuid_entry2> guest, std::span<const kvm_cpuid_entry2> host) {
    if (vendor(guest) != vendor(host)) {
        return fail(
            fmt::format("the snapshot was taken on a processor of '{}', this host has one of '{}'",
                        vendor(guest), vendor(host)));
    }
    std::string missing;
    for (const FeatureWord& feature : kWords) {
        uint32_t lacking = word(find(guest, feature.function, feature.index), feature.in) &
                           ~word(find(host, feature.function, feature.index), feature.in) &
                           feature.mask;
        for (unsigned bit = 0; lacking != 0; ++bit, lacking >>= 1U) {
            if ((lacking & 1U) != 0) {
                missing += (missing.empty() ? "" : ", ") + name_of(feature.name, bit);
            }
        }
    }
    if (!missing.empty()) {
        return fail("the snapshot's guest uses a processor with features that this host lacks: " +
                    missing);
    }
    constexpr uint32_t kAddressBits = 0x80000008;
    constexpr uint32_t kPhysical = 0xff;
    const uint32_t needed = word(find(guest, kAddressBits, 0), Register::kEax) & kPhysical;
    const uint32_t given = word(find(host, kAddressBits, 0), Register::kEax) & kPhysical;
    if (needed > given) {
        return fail(
            fmt::format("the snapshot's guest knows {} bits of physical address, this "
                        "host has {}",
                        needed, given));
    }
    return {};
}

}  // namespace anchorhold::vmm
