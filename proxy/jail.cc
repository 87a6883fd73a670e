// A linear checklist; every step is checked.
#include "proxy/jail.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/jail.h"
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

Status limit(int resource, rlim_t most, const char* name) {
    const rlimit value{most, most};
    return ::setrlimit(static_cast<__rlimit_resource>(resource), &value) == 0
               ? Status()
               : fail_errno("setrlimit", name);
}

}  // namespace

Status enter_empty_namespaces() {
    const bool root = ::geteuid() == 0;
    // Root of a container may not be allowed to; it then locks what a user locks.
    if (!root || !limit(RLIMIT_MEMLOCK, RLIM_INFINITY, "RLIMIT_MEMLOCK")) {
        ANCHORHOLD_TRY(limit(RLIMIT_MEMLOCK, kLockedWithoutRoot, "RLIMIT_MEMLOCK"));
    }
    const Jailed jailed = ANCHORHOLD_TRY(enter_jail(
        {.namespaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, .user = {}, .limits = {}}));
    return root && jailed == Jailed::kBeside
               ? Status(fail("unshare: this host lets not even root have namespaces"))
               : Status();
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
    return anchorhold::install_filter(kAllowed);
}

}  // namespace anchorhold::proxy
