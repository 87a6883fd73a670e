// Checks of the host's KVM and the calls on /dev/kvm.
#include "vmm/kvm/system.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/tables.h"

namespace anchorhold::vmm::kvm {
namespace {

struct Needed {
    int capability;
    const char* name;
};

// What the machine cannot do without; all are older than the kernels that Debian 12 supports.
constexpr Needed kNeeded[] = {
    {KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER"},
};

}  // namespace

Result<System> System::adopt(OwnFd fd) {
    const auto version = call(fd.get(), KVM_GET_API_VERSION, "KVM_GET_API_VERSION", 0);
    if (!version) {
        return fail("the descriptor is not /dev/kvm: " + version.error().message,
                    version.error().code);
    }
    if (*version != KVM_API_VERSION) {
        return fail("KVM has API version " + std::to_string(*version) + ", not " +
                    std::to_string(KVM_API_VERSION));
    }
    const int size =
        ANCHORHOLD_TRY(call(fd.get(), KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", 0));
    System system(std::move(fd), static_cast<size_t>(size));
    for (const Needed& needed : kNeeded) {
        if (system.extension(needed.capability) == 0) {
            return fail(std::string("this host's KVM lacks ") + needed.name);
        }
    }
    return system;
}

Result<Vm> System::create_vm() const {
    const int fd = ANCHORHOLD_TRY(call(fd_.get(), KVM_CREATE_VM, "KVM_CREATE_VM", 0));
    return Vm(OwnFd(fd), run_size_);
}

Result<std::vector<kvm_cpuid_entry2>> System::supported_cpuid() const {
    return read_cpuid_table(fd_.get(), kGetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID");
}

Result<std::vector<uint32_t>> System::msr_indices() const {
    constexpr uint32_t kMost = 1024;
    std::vector<uint32_t> list(1 + kMost);  // struct kvm_msr_list: a count, then the indices
    list[0] = kMost;
    ANCHORHOLD_TRY(call(fd_.get(), kGetMsrIndexList, "KVM_GET_MSR_INDEX_LIST", list.data()));
    return std::vector<uint32_t>(list.begin() + 1, list.begin() + 1 + std::min(list[0], kMost));
}

int System::extension(int capability) const {
    return call(fd_.get(), KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", capability).value_or(0);
}

}  // namespace anchorhold::vmm::kvm
