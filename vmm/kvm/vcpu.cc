// The calls on a vCPU descriptor.
#include "vmm/kvm/vcpu.h"

#include <x86intrin.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/msr_list.h"
#include "vmm/kvm/tables.h"

namespace anchorhold::vmm::kvm {
namespace {

struct OneMsr {
    TableHeader header{.count = 1};
    kvm_msr_entry entry{};
};
static_assert(sizeof(OneMsr) == 24);

// KVM API documentation, "Devices: vcpu", §4.1.
kvm_device_attr tsc_offset_attribute(uint64_t& offset) {
    kvm_device_attr attribute{};
    attribute.group = KVM_VCPU_TSC_CTRL;
    attribute.attr = KVM_VCPU_TSC_OFFSET;
    attribute.addr = reinterpret_cast<uintptr_t>(&offset);
    return attribute;
}

}  // namespace

void Vcpu::enforce_announced_features() const {
    kvm_enable_cap request{};
    request.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID;
    request.args[0] = 1;
    static_cast<void>(::ioctl(fd_.get(), KVM_ENABLE_CAP, &request));
}

Status Vcpu::set_cpuid(std::span<const kvm_cpuid_entry2> leaves) const {
    const TableHeader header{.count = static_cast<uint32_t>(leaves.size())};
    std::vector<std::byte> table(sizeof header + leaves.size_bytes());
    std::memcpy(table.data(), &header, sizeof header);
    std::memcpy(table.data() + sizeof header, leaves.data(), leaves.size_bytes());
    return command(fd_.get(), kSetCpuid, "KVM_SET_CPUID2", table.data());
}

Result<std::vector<kvm_cpuid_entry2>> Vcpu::cpuid() const {
    return read_cpuid_table(fd_.get(), kGetCpuid, "KVM_GET_CPUID2");
}

Result<kvm_sregs> Vcpu::special_registers() const {
    kvm_sregs registers{};
    ANCHORHOLD_TRY(command(fd_.get(), KVM_GET_SREGS, "KVM_GET_SREGS", &registers));
    return registers;
}

Status Vcpu::set_special_registers(const kvm_sregs& registers) const {
    return command(fd_.get(), KVM_SET_SREGS, "KVM_SET_SREGS", &registers);
}

Status Vcpu::set_registers(const kvm_regs& registers) const {
    return command(fd_.get(), KVM_SET_REGS, "KVM_SET_REGS", &registers);
}

Result<kvm_regs> Vcpu::registers() const {
    kvm_regs registers{};
    ANCHORHOLD_TRY(command(fd_.get(), KVM_GET_REGS, "KVM_GET_REGS", &registers));
    return registers;
}

Status Vcpu::set_msr(uint32_t index, uint64_t value) const {
    OneMsr request{};
    request.entry.index = index;
    request.entry.data = value;
    const int done = ANCHORHOLD_TRY(call(fd_.get(), kSetMsrs, "KVM_SET_MSRS", &request));
    if (done != 1) {
        return fail("KVM_SET_MSRS: the host refuses MSR " + std::to_string(index));
    }
    return {};
}

Result<uint64_t> Vcpu::msr(uint32_t index) const {
    OneMsr request{};
    request.entry.index = index;
    const int done = ANCHORHOLD_TRY(call(fd_.get(), kGetMsrs, "KVM_GET_MSRS", &request));
    if (done != 1) {
        return fail("KVM_GET_MSRS: the host does not know MSR " + std::to_string(index));
    }
    return uint64_t{request.entry.data};
}

Status Vcpu::set_xcr0(uint64_t states) const {
    kvm_xcrs registers{};
    registers.nr_xcrs = 1;
    registers.xcrs[0].value = states;
    return command(fd_.get(), KVM_SET_XCRS, "KVM_SET_XCRS", &registers);
}

Result<uint64_t> Vcpu::tsc_offset() const {
    uint64_t offset = 0;
    kvm_device_attr attribute = tsc_offset_attribute(offset);
    if (call(fd_.get(), KVM_GET_DEVICE_ATTR, "KVM_GET_DEVICE_ATTR", &attribute)) {
        return offset;
    }
    // Hosts before 5.16: as exact as two reads in a row are.
    const uint64_t guest = ANCHORHOLD_TRY(msr(kMsrTsc));
    return guest - __rdtsc();
}

Status Vcpu::set_tsc_offset(uint64_t offset) const {
    kvm_device_attr attribute = tsc_offset_attribute(offset);
    return command(fd_.get(), KVM_SET_DEVICE_ATTR, "KVM_SET_DEVICE_ATTR (TSC offset)", &attribute);
}

Result<uint64_t> Vcpu::tsc_khz() const {
    return static_cast<uint64_t>(
        ANCHORHOLD_TRY(call(fd_.get(), KVM_GET_TSC_KHZ, "KVM_GET_TSC_KHZ", 0)));
}

Result<bool> Vcpu::run() const {
    if (::ioctl(fd_.get(), KVM_RUN, 0) == 0) {
        return true;
    }
    if (errno == EINTR || errno == EAGAIN) {
        return false;
    }
    return fail_errno("KVM_RUN");
}

std::span<uint8_t> Vcpu::shared_bytes(uint64_t offset, uint64_t length) const {
    if (offset > run_.size() || length > run_.size() - offset) {
        return {};
    }
    return {reinterpret_cast<uint8_t*>(run_.data()) + offset, length};
}

Status Vcpu::prefault(uint64_t guest_address, uint64_t bytes) const {
    PrefaultRange range{.guest_address = guest_address, .bytes = bytes};
    // KVM moves the range's start as it goes and returns early for signals.
    while (range.bytes > 0) {
        ANCHORHOLD_TRY(command(fd_.get(), kPrefaultMemory, "KVM_PRE_FAULT_MEMORY", &range));
    }
    return {};
}

Status Vcpu::complete_exit() const {
    request_exit();
    if (::ioctl(fd_.get(), KVM_RUN, 0) < 0 && errno != EINTR && errno != EAGAIN) {
        return fail_errno("KVM_RUN", "to complete an exit");
    }
    return {};
}

void Vcpu::allow_run() const {
    std::atomic_ref<uint8_t>(state().immediate_exit).store(0, std::memory_order_release);
}

void Vcpu::request_exit() const {
    std::atomic_ref<uint8_t>(state().immediate_exit).store(1, std::memory_order_release);
}

}  // namespace anchorhold::vmm::kvm
