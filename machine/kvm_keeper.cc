// Three ioctls and two descriptors.
#include "machine/kvm_keeper.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/sys.h"

namespace anchorhold::machine {

Result<KvmKeeper> KvmKeeper::create() {
    const OwnFd kvm = ANCHORHOLD_TRY(sys::open("/dev/kvm", O_RDWR));
    KvmKeeper keeper;
    keeper.vm_.reset(::ioctl(kvm.get(), KVM_CREATE_VM, 0));
    if (!keeper.vm_.valid()) {
        return fail_errno("ioctl KVM_CREATE_VM");
    }
    if (::ioctl(keeper.vm_.get(), KVM_CREATE_IRQCHIP, 0) < 0) {
        return fail_errno("ioctl KVM_CREATE_IRQCHIP");
    }
    keeper.vcpu_.reset(::ioctl(keeper.vm_.get(), KVM_CREATE_VCPU, 0));
    if (!keeper.vcpu_.valid()) {
        return fail_errno("ioctl KVM_CREATE_VCPU");
    }
    return keeper;
}

}  // namespace anchorhold::machine
