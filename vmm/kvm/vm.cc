// The calls on a VM descriptor.
#include "vmm/kvm/vm.h"

#include <linux/kvm.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/tables.h"

namespace anchorhold::vmm::kvm {

Status Vm::reserve_real_mode_pages(uint64_t tss_address, uint64_t identity_map_address) const {
    ANCHORHOLD_TRY(command(fd_.get(), KVM_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR",
                           &identity_map_address));
    return command(fd_.get(), KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR", tss_address);
}

Status Vm::disable_counters() const {
    const auto able =
        call(fd_.get(), KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", KVM_CAP_PMU_CAPABILITY);
    if ((able.value_or(0) & KVM_PMU_CAP_DISABLE) == 0) {
        return {};
    }
    kvm_enable_cap request{};
    request.cap = KVM_CAP_PMU_CAPABILITY;
    request.args[0] = KVM_PMU_CAP_DISABLE;
    return command(fd_.get(), KVM_ENABLE_CAP, "KVM_ENABLE_CAP (KVM_CAP_PMU_CAPABILITY)", &request);
}

Status Vm::create_irqchip() const {
    return command(fd_.get(), KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP", 0);
}

Status Vm::set_memory(const MemorySlot& slot) const {
    kvm_userspace_memory_region region{};
    region.slot = slot.index;
    region.guest_phys_addr = slot.guest_address;
    region.memory_size = slot.size;
    region.userspace_addr = reinterpret_cast<uintptr_t>(slot.host_address);
    return command(fd_.get(), KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", &region);
}

Status Vm::add_irqfd(int event, uint32_t gsi) const {
    kvm_irqfd request{};
    request.fd = static_cast<uint32_t>(event);
    request.gsi = gsi;
    return command(fd_.get(), KVM_IRQFD, "KVM_IRQFD", &request);
}

Status Vm::add_ioeventfd(int event, uint64_t address) const {
    kvm_ioeventfd request{};
    request.addr = address;
    request.len = 4;
    request.fd = event;
    return command(fd_.get(), KVM_IOEVENTFD, "KVM_IOEVENTFD", &request);
}

Status Vm::add_ioeventfd(int event, uint64_t address, uint32_t value) const {
    kvm_ioeventfd request{};
    request.addr = address;
    request.len = 4;
    request.fd = event;
    request.datamatch = value;
    request.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
    return command(fd_.get(), KVM_IOEVENTFD, "KVM_IOEVENTFD", &request);
}

Result<Vcpu> Vm::create_vcpu(uint32_t index) const {
    OwnFd fd(ANCHORHOLD_TRY(
        call(fd_.get(), KVM_CREATE_VCPU, "KVM_CREATE_VCPU", static_cast<unsigned long>(index))));
    OwnMapping run =
        ANCHORHOLD_TRY(OwnMapping::map(run_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get()));
    return Vcpu(std::move(fd), std::move(run));
}

size_t Vm::xsave_size() const {
    const auto size = call(fd_.get(), KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", KVM_CAP_XSAVE2);
    return std::max<size_t>(sizeof(XsaveArea), static_cast<size_t>(size.value_or(0)));
}

}  // namespace anchorhold::vmm::kvm
