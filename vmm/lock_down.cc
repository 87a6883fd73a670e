// Three tables.
#include "vmm/lock_down.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/kvm/tables.h"

namespace anchorhold::vmm {
namespace {

// Of newer headers than Debian 12's.
constexpr uint32_t kUserfaultNew = _IO(0xAA, 0x00);  // USERFAULTFD_IOC_NEW
constexpr uint32_t kPopulateWrite = 23;              // MADV_POPULATE_WRITE

constexpr ArgumentIs request(unsigned long number) {
    return {1, static_cast<uint32_t>(number)};
}
constexpr ArgumentIs command(uint32_t number) {
    return {1, number};
}
constexpr ArgumentIs advice(uint32_t number) {
    return {2, number};
}

constexpr AllowedCall kLoop[] = {
    {SYS_epoll_wait, "the loop"},
    {SYS_epoll_ctl, "streams that come and go"},
    {SYS_write, "interrupts, the loop's wake-up, a state file, a last word on stderr"},
    {SYS_recvmsg, "commands, streams"},
    {SYS_sendmsg, "events, streams"},
    {SYS_shutdown, "half-closed streams"},
    {SYS_socketpair, "a stream that the guest opens", ArgumentIs{1, SOCK_STREAM | SOCK_CLOEXEC}},
    {SYS_getsockopt, "is a given stream one", ArgumentIs{2, SO_TYPE}},
    {SYS_close, "what is done with"},
    {SYS_fcntl, "non-blocking mode, what a disk is open for", command(F_GETFL)},
    {SYS_fcntl, "non-blocking mode", command(F_SETFL)},
    {SYS_fcntl, "memory that a fork leaves behind", command(F_ADD_SEALS)},
    {SYS_preadv2, "disks; kernel, state and working set; this process's page map"},
    {SYS_pwritev2, "disks; memory that is written down"},
    {SYS_lseek, "which memory there is to write down", ArgumentIs{2, SEEK_DATA}},
    {SYS_lseek, "the same", ArgumentIs{2, SEEK_HOLE}},
    {SYS_fstat, "sizes"},
    {SYS_getrandom, "the guest's entropy device"},
    {SYS_tgkill, "a vCPU that is to leave the guest", ArgumentIs{0, kThisProcess}},
    {SYS_futex, "waiting for threads"},
    {SYS_mmap, "guest memory, the heap"},
    {SYS_munmap, "the same"},
    {SYS_brk, "the heap"},
    {SYS_madvise, "memory given back: the heap's, the program's, a pager's", advice(MADV_DONTNEED)},
    {SYS_madvise, "guest memory given back", advice(MADV_REMOVE)},
    {SYS_madvise, "guest memory in huge pages", advice(MADV_HUGEPAGE)},
    {SYS_madvise, "a working set", advice(kPopulateWrite)},
    {SYS_clock_gettime, "where the vDSO cannot"},
    {SYS_gettid, "log lines"},
    {SYS_exit_group, "the end"},
    // A machine that boots.
    {SYS_ioctl, "the size of a disk", request(BLKGETSIZE64)},
    {SYS_ioctl, "where the kernel begins", request(KVM_GET_SREGS)},
    {SYS_ioctl, "the same", request(KVM_SET_SREGS)},
    {SYS_ioctl, "the same", request(KVM_SET_REGS)},
    // What a start is measured by.
    {SYS_ioctl, "the guest's TSC", request(KVM_GET_DEVICE_ATTR)},
    {SYS_ioctl, "the same, by hosts before 5.16", request(kvm::kGetMsrs)},
    {SYS_ioctl, "its frequency", request(KVM_GET_TSC_KHZ)},
    // Pausing.
    {SYS_ioctl, "completing the last exit", request(KVM_RUN)},
    // Saving.
    {SYS_ioctl, "state", request(kvm::kGetMsrIndexList)},
    {SYS_ioctl, "state", request(KVM_CHECK_EXTENSION)},
    {SYS_ioctl, "state", request(KVM_GET_MP_STATE)},
    {SYS_ioctl, "state", request(KVM_GET_REGS)},
    {SYS_ioctl, "state", request(kvm::kGetXsave)},
    {SYS_ioctl, "state", request(kvm::kGetXsave2)},
    {SYS_ioctl, "state", request(KVM_GET_XCRS)},
    {SYS_ioctl, "state", request(KVM_GET_DEBUGREGS)},
    {SYS_ioctl, "state", request(KVM_GET_LAPIC)},
    {SYS_ioctl, "state", request(kvm::kGetCpuid)},
    {SYS_ioctl, "state", request(KVM_GET_VCPU_EVENTS)},
    {SYS_ioctl, "state", request(KVM_GET_IRQCHIP)},
    {SYS_ioctl, "state", request(KVM_GET_CLOCK)},
    // Restoring.
    {SYS_ioctl, "may the state run here", request(kvm::kGetSupportedCpuid)},
    {SYS_ioctl, "state", request(kvm::kSetCpuid)},
    {SYS_ioctl, "state", request(KVM_SET_TSC_KHZ)},
    {SYS_ioctl, "state", request(KVM_SET_MP_STATE)},
    {SYS_ioctl, "state", request(kvm::kSetXsave)},
    {SYS_ioctl, "state", request(KVM_SET_XCRS)},
    {SYS_ioctl, "state", request(KVM_SET_DEBUGREGS)},
    {SYS_ioctl, "state", request(KVM_SET_LAPIC)},
    {SYS_ioctl, "state", request(KVM_SET_DEVICE_ATTR)},
    {SYS_ioctl, "state", request(kvm::kSetMsrs)},
    {SYS_ioctl, "state", request(KVM_SET_VCPU_EVENTS)},
    {SYS_ioctl, "state", request(KVM_KVMCLOCK_CTRL)},
    {SYS_ioctl, "state", request(KVM_SET_IRQCHIP)},
    {SYS_ioctl, "state", request(KVM_SET_CLOCK)},
    {SYS_ioctl, "nested page tables", request(kvm::kPrefaultMemory)},
    {SYS_ioctl, "a userfaultfd for the pager", request(kUserfaultNew)},
    {SYS_ioctl, "the same; copying a working set", request(UFFDIO_API)},
    {SYS_ioctl, "the same", request(UFFDIO_REGISTER)},
    {SYS_ioctl, "copying a working set", request(UFFDIO_COPY)},
    {SYS_ioctl, "the same", request(UFFDIO_UNREGISTER)},
};

constexpr AllowedCall kVcpu[] = {
    {SYS_ioctl, "the guest", request(KVM_RUN)},
    {SYS_ioctl, "where it crashed", request(KVM_GET_REGS)},
    {SYS_ioctl, "the same", request(KVM_GET_SREGS)},
    {SYS_write, "interrupts, the loop's wake-up, a last word on stderr"},
    {SYS_futex, "the device lock, waiting to run"},
    {SYS_rt_sigreturn, "after the signal that interrupts KVM_RUN"},
    {SYS_mmap, "the heap"},
    {SYS_munmap, "the heap"},
    {SYS_brk, "the heap"},
    {SYS_madvise, "the stack of a thread that ends", advice(MADV_DONTNEED)},
    {SYS_clock_gettime, "log lines, where the vDSO cannot"},
    {SYS_gettid, "log lines"},
    {SYS_rt_sigprocmask, "the thread's end"},
    {SYS_exit, "the same"},
};

constexpr AllowedCall kDisk[] = {
    {SYS_preadv2, "reads"},
    {SYS_pwritev2, "writes"},
    {SYS_fdatasync, "flushes"},
    {SYS_fallocate, "discards and zeros"},
    {SYS_write, "the loop's wake-up"},
    {SYS_futex, "waiting for jobs"},
    {SYS_mmap, "the heap"},
    {SYS_munmap, "the heap"},
    {SYS_brk, "the heap"},
    {SYS_madvise, "the stack of a thread that ends", advice(MADV_DONTNEED)},
    {SYS_rt_sigprocmask, "the thread's end"},
    {SYS_exit, "the same"},
};

}  // namespace

std::span<const AllowedCall> loop_calls() {
    return kLoop;
}
std::span<const AllowedCall> vcpu_calls() {
    return kVcpu;
}
std::span<const AllowedCall> disk_calls() {
    return kDisk;
}

Status lock_down_loop() {
    return install_filter(kLoop);
}
Status lock_down_vcpu() {
    return install_filter(kVcpu);
}
Status lock_down_disk() {
    return install_filter(kDisk);
}

}  // namespace anchorhold::vmm
