// Two tables.
#include "pager/lock_down.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <vector>

#include "base/lock_down.h"

namespace anchorhold::pager {
namespace {

// What any program of ours needs.
constexpr AllowedCall kAlways[] = {
    {SYS_preadv2, "files"},
    {SYS_fstat, "how large they are"},
    {SYS_newfstatat, "the same, by libc"},
    {SYS_mmap, "memory, never executable"},
    {SYS_munmap, "the same"},
    {SYS_mremap, "the same"},
    {SYS_mprotect, "the same"},
    {SYS_madvise, "giving memory back"},
    {SYS_brk, "the heap"},
    {SYS_futex, "libstdc++'s locks"},
    {SYS_write, "the loop's wake-up; a last word on stderr"},
    {SYS_writev, "the same"},
    {SYS_close, "what is done with"},
    {SYS_rt_sigprocmask, "aborting"},
    {SYS_rt_sigaction, "the same"},
    {SYS_gettid, "the same"},
    {SYS_getpid, "the same"},
    {SYS_tgkill, "the same"},
    {SYS_rt_sigreturn, "returning from a signal"},
    {SYS_restart_syscall, "after SIGSTOP and SIGCONT"},
    {SYS_clock_gettime, "where the vDSO cannot"},
    {SYS_exit, "the end"},
    {SYS_exit_group, "the end"},
};

constexpr AllowedCall kServing[] = {
    {SYS_ioctl, "filling pages", ArgumentIs{1, UFFDIO_COPY}},
    {SYS_ioctl, "the same", ArgumentIs{1, UFFDIO_ZEROPAGE}},
    {SYS_ioctl, "waking who waits", ArgumentIs{1, UFFDIO_WAKE}},
    {SYS_read, "faults"},
    {SYS_readlinkat, "is the VMM's descriptor a userfaultfd"},
    {SYS_recvmsg, "what to serve"},
    {SYS_sendmsg, "answers"},
    {SYS_epoll_wait, "the loop"},
    {SYS_epoll_pwait, "the same"},
    {SYS_epoll_ctl, "the same"},
    {SYS_fcntl, "non-blocking mode", ArgumentIs{1, F_GETFL}},
    {SYS_fcntl, "the same", ArgumentIs{1, F_SETFL}},
};

constexpr AllowedCall kConverting[] = {
    {SYS_pwritev2, "the target"},
    {SYS_ftruncate, "its size"},
    {SYS_lseek, "where the source has data"},
};

Status lock_down(std::span<const AllowedCall> calls) {
    ANCHORHOLD_TRY(give_up_privileges());
    std::vector<AllowedCall> allowed(std::begin(kAlways), std::end(kAlways));
    allowed.insert(allowed.end(), calls.begin(), calls.end());
    return install_filter(allowed);
}

}  // namespace

Status lock_down_server() {
    return lock_down(kServing);
}

Status lock_down_converter() {
    return lock_down(kConverting);
}

}  // namespace anchorhold::pager
