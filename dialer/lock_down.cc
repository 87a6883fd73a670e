// prctl, capset, rlimits, seccomp. A fuller jail (user, mount and PID namespace) goes around the
// process from outside; nothing here depends on it.
#include "dialer/lock_down.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

namespace anchorhold::dialer {
namespace {

constexpr rlim_t kMostDescriptors = 65536;

struct Allowed {
    int number;
    std::string_view reason;
    std::vector<scmp_arg_cmp> conditions = {};
};

scmp_arg_cmp equals(unsigned argument, uint64_t value) {
    return {argument, SCMP_CMP_EQ, value, 0};
}
// None of the bits is set.
scmp_arg_cmp without(unsigned argument, uint64_t bits) {
    return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}

// Everything else answers EPERM.
std::vector<Allowed> allowed_calls() {
    constexpr uint64_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    // clang-format off: a table
    return {
        {SCMP_SYS(epoll_wait), "the loop"},
        {SCMP_SYS(epoll_pwait), "as epoll_wait"},
        {SCMP_SYS(epoll_ctl), "the loop"},
        {SCMP_SYS(futex), "the resolver's threads and malloc"},
        {SCMP_SYS(socket), "connections, DNS", {equals(0, AF_INET)}},
        {SCMP_SYS(socket), "connections, DNS", {equals(0, AF_INET6)}},
        {SCMP_SYS(socket), "systemd-resolved, nscd", {equals(0, AF_UNIX)}},
        {SCMP_SYS(socket), "getifaddrs, getaddrinfo's address selection", {equals(0, AF_NETLINK)}},
        {SCMP_SYS(bind), "getifaddrs binds its netlink socket"},
        {SCMP_SYS(connect), "what it is for"},
        {SCMP_SYS(getsockopt), "SO_ERROR of a connection"},
        {SCMP_SYS(setsockopt), "TCP_NODELAY; IP_RECVERR by the resolver"},
        {SCMP_SYS(getsockname), "address selection (RFC 6724)"},
        {SCMP_SYS(getpeername), "systemd-resolved's client"},
        {SCMP_SYS(sendto), "DNS, netlink"},
        {SCMP_SYS(sendmsg), "descriptors to clients"},
        {SCMP_SYS(sendmmsg), "DNS: both questions at once"},
        {SCMP_SYS(recvfrom), "DNS, an upstream proxy's answer"},
        {SCMP_SYS(recvmsg), "packets, netlink"},
        {SCMP_SYS(poll), "the resolver waits"},
        {SCMP_SYS(ppoll), "as poll"},
        {SCMP_SYS(ioctl), "the size of a DNS answer", {equals(1, FIONREAD)}},
        {SCMP_SYS(read), "files, eventfd"},
        {SCMP_SYS(pread64), "loading a name service module"},
        {SCMP_SYS(write), "eventfd, the log on stderr"},
        {SCMP_SYS(writev), "an abort's last word"},
        {SCMP_SYS(close), "everywhere"},
        {SCMP_SYS(openat), "resolv.conf, hosts, nsswitch.conf", {without(2, kWriting)}},
        {SCMP_SYS(newfstatat), "whether resolv.conf changed"},
        {SCMP_SYS(fstat), "as newfstatat"},
        {SCMP_SYS(lseek), "stdio of those files"},
        {SCMP_SYS(access), "loading a name service module"},
        {SCMP_SYS(fcntl), "O_NONBLOCK, close-on-exec"},
        {SCMP_SYS(mmap), "malloc; modules, whose code is never writable", {without(2, PROT_EXEC)}},
        {SCMP_SYS(mmap), "as above", {without(2, PROT_WRITE)}},
        {SCMP_SYS(mprotect), "malloc's arenas", {without(2, PROT_EXEC)}},
        {SCMP_SYS(munmap), "malloc"},
        {SCMP_SYS(mremap), "malloc"},
        {SCMP_SYS(madvise), "malloc, ended threads"},
        {SCMP_SYS(brk), "malloc"},
        {SCMP_SYS(clock_gettime), "where the vDSO cannot say"},
        {SCMP_SYS(gettimeofday), "as clock_gettime"},
        {SCMP_SYS(clock_nanosleep), "systemd-resolved's client"},
        {SCMP_SYS(getrandom), "DNS question numbers"},
        {SCMP_SYS(getpid), "as getrandom"},
        {SCMP_SYS(gettid), "abort"},
        {SCMP_SYS(tgkill), "abort"},
        {SCMP_SYS(getuid), "name service modules"},
        {SCMP_SYS(geteuid), "name service modules"},
        {SCMP_SYS(getgid), "name service modules"},
        {SCMP_SYS(getegid), "name service modules"},
        {SCMP_SYS(uname), "the resolver's own host name"},
        {SCMP_SYS(rt_sigprocmask), "threads"},
        {SCMP_SYS(rt_sigaction), "abort"},
        {SCMP_SYS(rt_sigreturn), "signal handlers"},
        {SCMP_SYS(sigaltstack), "an ending thread under sanitizers"},
        {SCMP_SYS(rseq), "a resolver thread that begins only now"},
        {SCMP_SYS(set_robust_list), "as rseq"},
        {SCMP_SYS(prctl), "its name", {equals(0, PR_SET_NAME)}},
        {SCMP_SYS(sched_yield), "locks"},
        {SCMP_SYS(restart_syscall), "after a stop"},
        {SCMP_SYS(exit), "a thread's end"},
        {SCMP_SYS(exit_group), "the end"},
    };
    // clang-format on
}

Status set_limits() {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) < 0) {
        return fail_errno("setrlimit", "RLIMIT_CORE");
    }
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) < 0) {
        return fail_errno("getrlimit", "RLIMIT_NOFILE");
    }
    files.rlim_max = std::min(files.rlim_max, kMostDescriptors);
    files.rlim_cur = files.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &files) < 0) {
        return fail_errno("setrlimit", "RLIMIT_NOFILE");
    }
    return {};
}

// Permitted, effective and inheritable, of this thread and those it will make.
Status drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct nothing[_LINUX_CAPABILITY_U32S_3]{};
    if (::syscall(SYS_capset, &header, nothing) < 0) {
        return fail_errno("capset");
    }
    return {};
}

}  // namespace

Status give_up_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_NO_NEW_PRIVS");
    }
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail_errno("prctl", "PR_SET_DUMPABLE");
    }
    ANCHORHOLD_TRY(set_limits());
    return drop_capabilities();
}

Status install_filter() {
    const std::unique_ptr<void, decltype(&::seccomp_release)> filter(
        ::seccomp_init(SCMP_ACT_ERRNO(EPERM)), &::seccomp_release);
    if (filter == nullptr) {
        return fail("seccomp_init: out of memory");
    }
    const auto told = [](int code, std::string_view what) {
        return fail_errno(-code, "seccomp", what);
    };
    if (const int code = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); code < 0) {
        return told(code, "TSYNC");
    }
    for (const Allowed& call : allowed_calls()) {
        const int code = ::seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call.number,
                                                  static_cast<unsigned>(call.conditions.size()),
                                                  call.conditions.data());
        if (code < 0) {
            return told(code, call.reason);
        }
    }
    if (const int code = ::seccomp_load(filter.get()); code < 0) {
        return told(code, "load");
    }
    return {};
}

}  // namespace anchorhold::dialer
