// The orders are those of the kernel's dependencies: MP_STATE settles pending events, the local
// APIC wants its base from SREGS, the TSC deadline wants APIC and TSC, VCPU_EVENTS come last (REGS
// clears exceptions).
#include "vmm/kvm/vcpu_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/msr_list.h"
#include "vmm/kvm/tables.h"

namespace anchorhold::vmm::kvm {
namespace {

constexpr size_t kMsrsPerCall = 128;     // below KVM_MAX_MSR_ENTRIES (256)
constexpr uint64_t kTscTolerance = 250;  // ppm between hosts that need no scaling

// A kvm_msrs with room for a chunk.
struct MsrTable {
    TableHeader header;
    std::array<kvm_msr_entry, kMsrsPerCall> entries;
};
static_assert(sizeof(MsrTable) == sizeof(TableHeader) + kMsrsPerCall * sizeof(kvm_msr_entry));

// One call for a chunk; how many were done.
Result<size_t> transfer(int fd, unsigned long request, std::string_view name, MsrTable& table,
                        size_t count) {
    table.header.count = static_cast<uint32_t>(count);
    return static_cast<size_t>(ANCHORHOLD_TRY(call(fd, request, name, &table)));
}

// What this host knows of `wanted`: KVM stops at the first one it does not.
Result<std::vector<kvm_msr_entry>> read_msrs(int fd, std::span<const uint32_t> wanted) {
    std::vector<kvm_msr_entry> msrs;
    MsrTable table{};
    while (!wanted.empty()) {
        const size_t count = std::min(wanted.size(), kMsrsPerCall);
        for (size_t i = 0; i < count; ++i) {
            table.entries[i] = {.index = wanted[i], .reserved = 0, .data = 0};
        }
        const size_t done = ANCHORHOLD_TRY(transfer(fd, kGetMsrs, "KVM_GET_MSRS", table, count));
        msrs.insert(msrs.end(), table.entries.begin(),
                    table.entries.begin() + static_cast<ptrdiff_t>(done));
        wanted = wanted.subspan(std::min(done + (done < count ? 1 : 0), wanted.size()));
    }
    return msrs;
}

Status write_msrs(int fd, std::span<const kvm_msr_entry> msrs) {
    MsrTable table{};
    while (!msrs.empty()) {
        const size_t count = std::min(msrs.size(), kMsrsPerCall);
        std::copy_n(msrs.begin(), count, table.entries.begin());
        const size_t done = ANCHORHOLD_TRY(transfer(fd, kSetMsrs, "KVM_SET_MSRS", table, count));
        if (done != count) {
            return fail(fmt::format("KVM_SET_MSRS: this host refuses MSR {:#x}", msrs[done].index));
        }
        msrs = msrs.subspan(count);
    }
    return {};
}

Result<std::vector<std::byte>> read_xsave(int fd, size_t size) {
    std::vector<std::byte> area(size);
    // KVM_GET_XSAVE copies 4096 bytes, whatever the host has enabled.
    const bool large = size > sizeof(XsaveArea);
    ANCHORHOLD_TRY(command(fd, large ? kGetXsave2 : kGetXsave,
                           large ? "KVM_GET_XSAVE2" : "KVM_GET_XSAVE", area.data()));
    return area;
}

Status write_xsave(int fd, std::span<const std::byte> saved, size_t size) {
    std::vector<std::byte> area(size);
    if (saved.size() > size) {
        return fail(fmt::format("the state has {} bytes of extended registers, this host takes {}",
                                saved.size(), size));
    }
    std::copy(saved.begin(), saved.end(), area.begin());
    return command(fd, kSetXsave, "KVM_SET_XSAVE", area.data());
}

// The guest's TSC frequency is its own; a host of another one has to scale.
Status match_frequency(const Vcpu& vcpu, uint64_t wanted_khz) {
    const uint64_t host_khz = vcpu.tsc_khz().value_or(0);
    if (wanted_khz == 0 || host_khz == 0) {
        return {};
    }
    const uint64_t difference =
        wanted_khz > host_khz ? wanted_khz - host_khz : host_khz - wanted_khz;
    if (difference * 1'000'000 / host_khz <= kTscTolerance) {
        return {};
    }
    return command(vcpu.fd(), KVM_SET_TSC_KHZ, "KVM_SET_TSC_KHZ", wanted_khz);
}

}  // namespace

Result<VcpuState> save_state(const Vcpu& vcpu, std::span<const uint32_t> msrs,
                             const VcpuStateLimits& limits) {
    const int fd = vcpu.fd();
    VcpuState state;
    ANCHORHOLD_TRY(command(fd, KVM_GET_MP_STATE, "KVM_GET_MP_STATE", &state.mp_state));
    ANCHORHOLD_TRY(command(fd, KVM_GET_REGS, "KVM_GET_REGS", &state.registers));
    ANCHORHOLD_TRY(command(fd, KVM_GET_SREGS, "KVM_GET_SREGS", &state.special_registers));
    state.xsave = ANCHORHOLD_TRY(read_xsave(fd, limits.xsave_size));
    ANCHORHOLD_TRY(command(fd, KVM_GET_XCRS, "KVM_GET_XCRS", &state.extended_controls));
    ANCHORHOLD_TRY(command(fd, KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS", &state.debug_registers));
    ANCHORHOLD_TRY(command(fd, KVM_GET_LAPIC, "KVM_GET_LAPIC", &state.local_apic));
    state.tsc_khz = vcpu.tsc_khz().value_or(0);
    state.tsc = limits.host_tsc + ANCHORHOLD_TRY(vcpu.tsc_offset());
    state.cpuid = ANCHORHOLD_TRY(vcpu.cpuid());
    state.msrs = ANCHORHOLD_TRY(read_msrs(fd, msrs));
    for (kvm_msr_entry& msr : state.msrs) {
        // An expired deadline reads as 0, and its interrupt may not have been taken yet: a deadline
        // that is now fires at once; too many timer interrupts hurt nobody, one that is lost does.
        if (msr.index == kMsrTscDeadline && msr.data == 0) {
            msr.data = state.tsc;
        }
    }
    ANCHORHOLD_TRY(command(fd, KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS", &state.events));
    return state;
}

Status restore_state(const Vcpu& vcpu, const VcpuState& state, const VcpuStateLimits& limits) {
    const int fd = vcpu.fd();
    kvm_mp_state mp_state = state.mp_state;
    kvm_sregs special_registers = state.special_registers;
    kvm_regs registers = state.registers;
    kvm_xcrs extended_controls = state.extended_controls;
    kvm_debugregs debug_registers = state.debug_registers;
    kvm_lapic_state local_apic = state.local_apic;
    kvm_vcpu_events events = state.events;
    ANCHORHOLD_TRY(vcpu.set_cpuid(state.cpuid));
    ANCHORHOLD_TRY(match_frequency(vcpu, state.tsc_khz));
    ANCHORHOLD_TRY(command(fd, KVM_SET_MP_STATE, "KVM_SET_MP_STATE", &mp_state));
    ANCHORHOLD_TRY(command(fd, KVM_SET_REGS, "KVM_SET_REGS", &registers));
    ANCHORHOLD_TRY(command(fd, KVM_SET_SREGS, "KVM_SET_SREGS", &special_registers));
    ANCHORHOLD_TRY(write_xsave(fd, state.xsave, limits.xsave_size));
    ANCHORHOLD_TRY(command(fd, KVM_SET_XCRS, "KVM_SET_XCRS", &extended_controls));
    ANCHORHOLD_TRY(command(fd, KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS", &debug_registers));
    ANCHORHOLD_TRY(command(fd, KVM_SET_LAPIC, "KVM_SET_LAPIC", &local_apic));
    // As an offset: a value close to what KVM expects would be taken for one that synchronises.
    ANCHORHOLD_TRY(vcpu.set_tsc_offset(state.tsc - limits.host_tsc));
    std::vector<kvm_msr_entry> msrs = state.msrs;
    const auto last = std::stable_partition(msrs.begin(), msrs.end(), [](const kvm_msr_entry& msr) {
        return msr.index != kMsrTscDeadline;
    });
    ANCHORHOLD_TRY(write_msrs(fd, {msrs.begin(), last}));
    ANCHORHOLD_TRY(write_msrs(fd, {last, msrs.end()}));
    ANCHORHOLD_TRY(command(fd, KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS", &events));
    // Tells a watchdog that time stood still; a guest without KVM's clock has none to tell.
    [[maybe_unused]] const int told = ::ioctl(fd, KVM_KVMCLOCK_CTRL, 0);
    return {};
}

Status set_back_tsc(const Vcpu& vcpu, uint64_t ticks, uint64_t deadline) {
    const uint64_t offset = ANCHORHOLD_TRY(vcpu.tsc_offset());
    ANCHORHOLD_TRY(vcpu.set_tsc_offset(offset - ticks));
    const kvm_msr_entry timer = {.index = kMsrTscDeadline, .reserved = 0, .data = deadline};
    return deadline == 0 ? Status() : write_msrs(vcpu.fd(), {&timer, 1});
}

uint64_t tsc_deadline(const VcpuState& state) {
    const auto found = std::ranges::find(state.msrs, kMsrTscDeadline, &kvm_msr_entry::index);
    return found == state.msrs.end() ? 0 : found->data;
}

}  // namespace anchorhold::vmm::kvm
