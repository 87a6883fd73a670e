// A linear checklist; every step is checked.
#include "proxy/jail.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/lock_down.h"

namespace anchorhold::proxy {
namespace {

// What one proxy needs after its setup, and nothing that opens, connects, forks or signals.
constexpr AllowedCall kAllowed[] = {
    {SYS_recvfrom, "guest streams, upstreams"},
    {SYS_sendto, "the same"},
    {SYS_recvmsg, "packets with descriptors: streams, dialled sockets, orders"},
    {SYS_sendmsg, "reports and dials"},
    {SYS_epoll_wait, "the event loop"},
    {SYS_epoll_pwait, "the same, by newer libraries"},
    {SYS_epoll_ctl, "the same"},
    {SYS_timerfd_settime, "deadlines"},
    {SYS_read, "the loop's timer and wake-up descriptors"},
    {SYS_write, "the same; log lines"},
    {SYS_writev, "log lines"},
    {SYS_close, "streams that ended"},
    {SYS_shutdown, "half-closes"},
    {SYS_setsockopt, "linger before a reset"},
    {SYS_getsockopt, "is what the dialer sent a TCP socket"},
    {SYS_fcntl, "non-blocking mode"},
    {SYS_ioctl, "non-blocking mode (FIONBIO)"},
    {SYS_mmap, "memory, never executable"},
    {SYS_munmap, "the same"},
    {SYS_mremap, "the same"},
    {SYS_mprotect, "the same; guard pages, never executable"},
    {SYS_madvise, "giving memory back; keeping secrets out of dumps"},
    {SYS_mlock, "minted secrets"},
    {SYS_munlock, "the same"},
    {SYS_brk, "the heap"},
    {SYS_futex, "OpenSSL's locks"},
    {SYS_getrandom, "keys, nonces, masks"},
    {SYS_clock_gettime, "where the vDSO cannot"},
    {SYS_clock_nanosleep, "restarted waits"},
    {SYS_gettimeofday, "the same"},
    {SYS_time, "the same"},
    {SYS_getpid, "OpenSSL's fork check"},
    {SYS_gettid, "log lines"},
    {SYS_sched_yield, "spinning locks"},
    {SYS_rt_sigreturn, "returning from a signal"},
    {SYS_rt_sigprocmask, "aborting"},
    {SYS_restart_syscall, "after SIGSTOP and SIGCONT"},
    {SYS_exit, "the end"},
    {SYS_exit_group, "the end"},
};

// For the store of secrets: what a user may lock on most hosts.
constexpr rlim_t kLockedWithoutRoot = rlim_t{8} << 20;

// An empty tmpfs, read-only, as the only mount.
Status enter_empty_root() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
        return fail_errno("mount", "/ (private)");
    }
    if (::mount("none", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555") <
        0) {
        return fail_errno("mount", "an empty root");
    }
    if (::chdir("/tmp") < 0) {
        return fail_errno("chdir", "the empty root");
    }
    if (::syscall(SYS_pivot_root, ".", ".") < 0) {
        return fail_errno("pivot_root");
    }
    if (::umount2(".", MNT_DETACH) < 0) {
        return fail_errno("umount2", "the old root");
    }
    if (::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) < 0) {
        return fail_errno("mount", "/ (read-only)");
    }
    return {};
}

Status drop_capabilities() {
    for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL) {
            return fail_errno("prctl", "PR_CAPBSET_DROP");
        }
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) < 0) {
        return fail_errno("capset");
    }
    return {};
}

Status limit(int resource, rlim_t most, const char* name) {
    const rlimit value{most, most};
    return ::setrlimit(static_cast<__rlimit_resource>(resource), &value) == 0
               ? Status()
               : fail_errno("setrlimit", name);
}

}  // namespace

Status enter_empty_namespaces() {
    const bool root = ::geteuid() == 0;
    const int kinds = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
    // Root of a container may not be allowed to; it then locks what a user locks.
    if (!root || !limit(RLIMIT_MEMLOCK, RLIM_INFINITY, "RLIMIT_MEMLOCK")) {
        ANCHORHOLD_TRY(limit(RLIMIT_MEMLOCK, kLockedWithoutRoot, "RLIMIT_MEMLOCK"));
    }
    if (::unshare(root ? kinds : kinds | CLONE_NEWUSER) == 0) {
        ANCHORHOLD_TRY(enter_empty_root());
        ANCHORHOLD_TRY(drop_capabilities());
    } else if (root) {
        return fail_errno("unshare");
    }
    ANCHORHOLD_TRY(limit(RLIMIT_CORE, 0, "RLIMIT_CORE"));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_NO_NEW_PRIVS");
    }
    return {};
}

Status lock_memory() {
    rlimit allowed{};
    if (::getrlimit(RLIMIT_MEMLOCK, &allowed) < 0) {
        return fail_errno("getrlimit", "RLIMIT_MEMLOCK");
    }
    // As pages are touched: what no one uses stays where it is.
    if (allowed.rlim_cur == RLIM_INFINITY &&
        ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) {
        return fail_errno("mlockall");
    }
    return {};
}

Status install_filter() {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_DUMPABLE");
    }
    return anchorhold::install_filter(kAllowed);
}

}  // namespace anchorhold::proxy
