// The agent's filter as data. EPERM says "not for you"; ENOSYS says "not here", so that programs
// take their older way.
#include "guest-init/agent_filter.h"

#include <asm/ioctls.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>

namespace anchorhold::guest_init {
namespace {

constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint32_t kPersonalities =
    uint32_t{PER_LINUX32} | uint32_t{UNAME26} | uint32_t{ADDR_NO_RANDOMIZE};
// Numbers newer than the kernel headers this is built with (Debian 12: 6.1).
constexpr uint32_t kMapShadowStack = 453;
constexpr uint32_t kFirstUnknown = 463;  // one past mseal, the last of Linux 6.12
static_assert(SYS_futex_waitv < kMapShadowStack);

constexpr Condition always{};
constexpr Condition equal(uint8_t argument, uint32_t value) {
    return {Condition::Test::kEqual, argument, value};
}
constexpr Condition any_bit(uint8_t argument, uint32_t value) {
    return {Condition::Test::kAnyBit, argument, value};
}

// clang-format off: a table
constexpr FilterRule kRules[] = {
    {SYS_ioctl, EPERM, equal(1, TIOCSTI), "types into another process's terminal"},
    {SYS_ioctl, EPERM, equal(1, TIOCLINUX), "selects and pastes on a console"},
    {SYS_clone, EPERM, any_bit(0, kNewNamespaces),
     "a namespace of one's own opens kernel code meant for root"},
    {SYS_unshare, EPERM, any_bit(0, kNewNamespaces | CLONE_NEWTIME), "as clone"},
    {SYS_setns, EPERM, always, "enters other namespaces"},
    {SYS_clone3, ENOSYS, always,
     "its flags are behind a pointer where a filter cannot look; libc falls back to clone"},
    {SYS_personality, EPERM, Condition{Condition::Test::kOtherBits, 0, kPersonalities},
     "READ_IMPLIES_EXEC and foreign ABIs; what setarch and gdb use stays"},
    {SYS_bpf, EPERM, always, "runs programs in the kernel"},
    {SYS_perf_event_open, EPERM, always, "large and often faulty; counts across processes"},
    {SYS_userfaultfd, EPERM, always, "makes races in the kernel easy to win"},
    {SYS_io_uring_setup, ENOSYS, always, "system calls that no filter sees"},
    {SYS_io_uring_enter, ENOSYS, always, "as io_uring_setup"},
    {SYS_io_uring_register, ENOSYS, always, "as io_uring_setup"},
    {SYS_mount, EPERM, always, "changes what others see as files"},
    {SYS_umount2, EPERM, always, "as mount"},
    {SYS_pivot_root, EPERM, always, "as mount"},
    {SYS_open_tree, EPERM, always, "as mount"},
    {SYS_move_mount, EPERM, always, "as mount"},
    {SYS_fsopen, EPERM, always, "as mount"},
    {SYS_fsconfig, EPERM, always, "as mount"},
    {SYS_fsmount, EPERM, always, "as mount"},
    {SYS_fspick, EPERM, always, "as mount"},
    {SYS_mount_setattr, EPERM, always, "as mount"},
    {SYS_swapon, EPERM, always, "memory belongs to the host's accounting"},
    {SYS_swapoff, EPERM, always, "as swapon"},
    {SYS_quotactl, EPERM, always, "administers file systems"},
    {SYS_quotactl_fd, EPERM, always, "as quotactl"},
    {SYS_acct, EPERM, always, "writes where it is told, as root"},
    {SYS_open_by_handle_at, EPERM, always, "opens files past directory permissions"},
    {SYS_fanotify_init, EPERM, always, "watches other users' files"},
    {SYS_kexec_load, EPERM, always, "replaces the kernel"},
    {SYS_kexec_file_load, EPERM, always, "replaces the kernel"},
    {SYS_init_module, EPERM, always, "extends the kernel"},
    {SYS_finit_module, EPERM, always, "extends the kernel"},
    {SYS_delete_module, EPERM, always, "as init_module"},
    {SYS_reboot, EPERM, always, "ends the machine; the host does that"},
    {SYS_settimeofday, EPERM, always, "time comes from the host"},
    {SYS_clock_settime, EPERM, always, "time comes from the host"},
    {SYS_adjtimex, EPERM, always, "time comes from the host"},
    {SYS_clock_adjtime, EPERM, always, "time comes from the host"},
    {SYS_sethostname, EPERM, always, "the name is the sandbox's"},
    {SYS_setdomainname, EPERM, always, "as sethostname"},
    {SYS_syslog, EPERM, always, "kernel addresses and other processes' failures"},
    {SYS_vhangup, EPERM, always, "ends other sessions' terminals"},
    {SYS_keyctl, ENOSYS, always, "key rings are shared between users and outlive processes"},
    {SYS_add_key, ENOSYS, always, "as keyctl"},
    {SYS_request_key, ENOSYS, always, "as keyctl; starts programs as root"},
    {SYS_iopl, EPERM, always, "port I/O reaches the VMM's devices"},
    {SYS_ioperm, EPERM, always, "as iopl"},
    {SYS_modify_ldt, ENOSYS, always, "16-bit segments: old code, many faults"},
    {SYS_lookup_dcookie, ENOSYS, always, "profiling of old, removed from Linux"},
    {SYS_uselib, ENOSYS, always, "removed from Linux"},
    {SYS_sysfs, ENOSYS, always, "obsolete"},
    {SYS_ustat, ENOSYS, always, "obsolete"},
};

constexpr AllowedSocket kSockets[] = {
    {AF_UNIX, -1, "between the agent's own programs"},
    {AF_INET, -1, "loopback, and what the host lets through"},
    {AF_INET6, -1, "as AF_INET"},
    {AF_NETLINK, 0, "NETLINK_ROUTE: getaddrinfo and getifaddrs ask it for addresses"},
};
// clang-format on

}  // namespace

const FilterDescription& agent_filter_description() {
    // Every other domain, AF_VSOCK before all: the channel to the host is init's alone.
    static constexpr FilterDescription description{kRules, kSockets, EAFNOSUPPORT, kFirstUnknown};
    return description;
}

std::vector<sock_filter> agent_filter() {
    return assemble_filter(agent_filter_description());
}

}  // namespace anchorhold::guest_init
