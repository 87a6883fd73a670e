// What a VMM that was taken over could still try, from each kind of its threads: each call ends the
// process.
#include "vmm/lock_down.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/sys.h"

namespace anchorhold::vmm {
namespace {

struct Outcome {
    bool survived = false;  // what came after the attempt was run
    int signal = 0;
};

// In a child behind the walls of one kind of thread. What survives says so through a pipe, since
// not every kind may end its process.
Outcome behind(std::span<const AllowedCall> calls, const std::function<void()>& attempt) {
    const auto told = sys::pipe();
    EXPECT_TRUE(told);
    const pid_t child = ::fork();
    if (child == 0) {
        if (give_up_privileges() && install_filter(calls)) {
            attempt();
            ::syscall(SYS_write, told->write_end.get(), "x", 1);
        }
        ::syscall(SYS_exit_group, 0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    Outcome outcome;
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    EXPECT_TRUE(sys::set_nonblocking(told->read_end.get()));
    char byte = 0;
    outcome.survived = ::read(told->read_end.get(), &byte, 1) == 1;
    return outcome;
}

struct Kind {
    const char* name;
    std::span<const AllowedCall> (*calls)();
    size_t most;  // system calls
};
void PrintTo(const Kind& kind, std::ostream* out) {
    *out << kind.name;
}
const Kind kKinds[] = {
    {"loop", loop_calls, 25}, {"vcpu", vcpu_calls, 12}, {"disk", disk_calls, 12}};

struct Escape {
    const char* name;
    long number;
    long arguments[6] = {};
};
void PrintTo(const Escape& escape, std::ostream* out) {
    *out << escape.name;
}

constexpr long kAnyProtection = PROT_READ | PROT_WRITE | PROT_EXEC;
constexpr long kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

const Escape kEscapes[] = {
    // Files.
    {"open", SYS_open, {0}},
    {"openat", SYS_openat, {AT_FDCWD}},
    {"openat2", SYS_openat2, {AT_FDCWD}},
    {"creat", SYS_creat, {0}},
    {"open_by_handle_at", SYS_open_by_handle_at, {AT_FDCWD}},
    {"newfstatat", SYS_newfstatat, {AT_FDCWD}},
    {"statx", SYS_statx, {AT_FDCWD}},
    {"access", SYS_access, {0}},
    {"readlink", SYS_readlink, {0}},
    {"getdents", SYS_getdents64, {0}},
    {"unlink", SYS_unlink, {0}},
    {"rename", SYS_rename, {0}},
    {"link", SYS_link, {0}},
    {"symlink", SYS_symlink, {0}},
    {"mkdir", SYS_mkdir, {0}},
    {"mknod", SYS_mknod, {0}},
    {"chmod", SYS_chmod, {0}},
    {"chdir", SYS_chdir, {0}},
    {"chroot", SYS_chroot, {0}},
    {"fchdir", SYS_fchdir, {0}},
    {"ftruncate", SYS_ftruncate, {0}},
    {"sendfile", SYS_sendfile, {0}},
    {"splice", SYS_splice, {0}},
    {"memfd_create", SYS_memfd_create, {0}},
    {"inotify_init", SYS_inotify_init1, {0}},
    {"fanotify_init", SYS_fanotify_init, {0}},
    // The network, and processes that listen.
    {"socket", SYS_socket, {AF_INET, SOCK_STREAM}},
    {"socket_raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_RAW}},
    {"socket_packet", SYS_socket, {AF_PACKET, SOCK_RAW}},
    {"socket_netlink", SYS_socket, {AF_NETLINK, SOCK_RAW}},
    {"socket_unix", SYS_socket, {AF_UNIX, SOCK_STREAM}},
    {"socket_vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM}},
    {"socketpair_that_reaches_abstract_names", SYS_socketpair, {AF_UNIX, SOCK_DGRAM}},
    {"connect", SYS_connect, {0}},
    {"bind", SYS_bind, {0}},
    {"listen", SYS_listen, {0}},
    {"accept", SYS_accept4, {0}},
    {"sendto", SYS_sendto, {0}},
    {"sendmmsg", SYS_sendmmsg, {0}},
    // Other processes.
    {"ptrace", SYS_ptrace, {PTRACE_ATTACH, 1}},
    {"process_vm_readv", SYS_process_vm_readv, {1}},
    {"process_vm_writev", SYS_process_vm_writev, {1}},
    {"process_madvise", SYS_process_madvise, {0}},
    {"pidfd_open", SYS_pidfd_open, {1}},
    {"pidfd_getfd", SYS_pidfd_getfd, {0}},
    {"pidfd_send_signal", SYS_pidfd_send_signal, {0}},
    {"kill", SYS_kill, {1, SIGKILL}},
    {"tkill", SYS_tkill, {1, SIGKILL}},
    {"tgkill_of_another", SYS_tgkill, {1, 1, SIGKILL}},
    {"queue_signal", SYS_rt_tgsigqueueinfo, {1, 1, SIGKILL}},
    {"kcmp", SYS_kcmp, {1, 1}},
    {"prlimit", SYS_prlimit64, {1}},
    {"sched_setaffinity", SYS_sched_setaffinity, {1}},
    {"setpriority", SYS_setpriority, {0}},
    {"shmget", SYS_shmget, {0}},
    {"msgget", SYS_msgget, {0}},
    {"mq_open", SYS_mq_open, {0}},
    // Programs and threads.
    {"execve", SYS_execve, {0}},
    {"execveat", SYS_execveat, {0}},
    {"fork", SYS_fork, {0}},
    {"vfork", SYS_vfork, {0}},
    {"clone", SYS_clone, {SIGCHLD}},
    {"clone_thread", SYS_clone, {CLONE_VM | CLONE_SIGHAND | CLONE_THREAD}},
    {"clone3", SYS_clone3, {0}},
    {"mmap_executable", SYS_mmap, {0, 4096, kAnyProtection, kAnonymous, -1, 0}},
    {"mprotect_executable", SYS_mprotect, {0, 4096, kAnyProtection}},
    {"pkey_mprotect_executable", SYS_pkey_mprotect, {0, 4096, kAnyProtection, -1}},
    {"remap", SYS_mremap, {0}},
    {"arch_prctl", SYS_arch_prctl, {0}},
    {"personality", SYS_personality, {0x0400000}},
    {"modify_ldt", SYS_modify_ldt, {0}},
    // Rights, namespaces, walls.
    {"mount", SYS_mount, {0}},
    {"umount", SYS_umount2, {0}},
    {"move_mount", SYS_move_mount, {0}},
    {"open_tree", SYS_open_tree, {0}},
    {"fsopen", SYS_fsopen, {0}},
    {"pivot_root", SYS_pivot_root, {0}},
    {"unshare", SYS_unshare, {CLONE_NEWUSER}},
    {"setns", SYS_setns, {0}},
    {"setuid", SYS_setuid, {0}},
    {"setgroups", SYS_setgroups, {0}},
    {"capset", SYS_capset, {0}},
    {"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
    {"seccomp", SYS_seccomp, {0}},
    {"landlock", SYS_landlock_create_ruleset, {0}},
    {"keyctl", SYS_keyctl, {0}},
    {"add_key", SYS_add_key, {0}},
    {"request_key", SYS_request_key, {0}},
    // Wide parts of the kernel.
    {"io_uring_setup", SYS_io_uring_setup, {8}},
    {"io_uring_enter", SYS_io_uring_enter, {0}},
    {"io_setup", SYS_io_setup, {8}},
    {"userfaultfd", SYS_userfaultfd, {0}},
    {"bpf", SYS_bpf, {0}},
    {"perf_event_open", SYS_perf_event_open, {0}},
    {"init_module", SYS_init_module, {0}},
    {"finit_module", SYS_finit_module, {0}},
    {"kexec_load", SYS_kexec_load, {0}},
    {"syslog", SYS_syslog, {0}},
    {"reboot", SYS_reboot, {0}},
    {"vmsplice", SYS_vmsplice, {0}},
    {"timer_create", SYS_timer_create, {0}},
    {"epoll_create", SYS_epoll_create1, {0}},
    {"eventfd", SYS_eventfd2, {0}},
    {"dup", SYS_dup, {0}},
    {"x32_write", 0x40000000 | SYS_write, {0}},
    {"unknown", 1000, {0}},
    // Requests of descriptors that it has.
    {"ioctl_TIOCSTI", SYS_ioctl, {2, TIOCSTI}},
    {"ioctl_TCSETS", SYS_ioctl, {2, 0x5402}},
    {"ioctl_KVM_CREATE_VM", SYS_ioctl, {3, KVM_CREATE_VM}},
    {"ioctl_KVM_CREATE_VCPU", SYS_ioctl, {3, KVM_CREATE_VCPU}},
    {"ioctl_KVM_CREATE_DEVICE", SYS_ioctl, {3, static_cast<long>(KVM_CREATE_DEVICE)}},
    {"ioctl_KVM_SET_USER_MEMORY_REGION", SYS_ioctl, {3, KVM_SET_USER_MEMORY_REGION}},
    {"ioctl_KVM_IRQFD", SYS_ioctl, {3, KVM_IRQFD}},
    {"ioctl_KVM_IOEVENTFD", SYS_ioctl, {3, KVM_IOEVENTFD}},
    {"ioctl_KVM_ENABLE_CAP", SYS_ioctl, {3, KVM_ENABLE_CAP}},
    {"fcntl_F_SETOWN", SYS_fcntl, {0, F_SETOWN, 1}},
    {"fcntl_F_DUPFD", SYS_fcntl, {0, F_DUPFD, 9}},
    {"setsockopt", SYS_setsockopt, {0}},
};

class LockedDown : public ::testing::TestWithParam<std::tuple<Kind, Escape>> {};

TEST_P(LockedDown, escape_ends_the_process) {
    const auto& [kind, escape] = GetParam();
    const Outcome outcome = behind(kind.calls(), [&escape = escape] {
        const long* a = escape.arguments;
        ::syscall(escape.number, a[0], a[1], a[2], a[3], a[4], a[5]);
    });
    EXPECT_FALSE(outcome.survived);
    EXPECT_EQ(outcome.signal, SIGSYS);
}
INSTANTIATE_TEST_SUITE_P(
    Vmm, LockedDown, ::testing::Combine(::testing::ValuesIn(kKinds), ::testing::ValuesIn(kEscapes)),
    [](const auto& each) {
        return std::string(std::get<0>(each.param).name) + "_" + std::get<1>(each.param).name;
    });

class VmmThread : public ::testing::TestWithParam<Kind> {};

TEST_P(VmmThread, has_few_calls_each_with_a_reason) {
    std::set<uint64_t> numbers;
    for (const AllowedCall& call : GetParam().calls()) {
        EXPECT_NE(std::string(call.reason), "");
        numbers.insert(call.number);
    }
    EXPECT_LE(numbers.size(), GetParam().most);
}

TEST_P(VmmThread, has_one_line_for_a_call_without_conditions) {
    std::set<uint64_t> whole;
    for (const AllowedCall& call : GetParam().calls()) {
        EXPECT_TRUE(call.only || whole.insert(call.number).second) << call.number;
    }
    for (const AllowedCall& call : GetParam().calls()) {
        EXPECT_FALSE(call.only && whole.contains(call.number)) << call.number;
    }
}

TEST_P(VmmThread, goes_on_with_what_it_needs) {
    const Outcome outcome = behind(GetParam().calls(), [] {
        void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, kAnonymous, -1, 0);
        ::madvise(memory, 4096, MADV_DONTNEED);
        ::munmap(memory, 4096);
    });
    EXPECT_TRUE(outcome.survived);
}

// Had a list one call more, LockedDown would see it.
TEST_P(VmmThread, another_call_in_its_list_is_noticed) {
    const auto calls = GetParam().calls();
    std::vector<AllowedCall> more(calls.begin(), calls.end());
    more.push_back({SYS_getppid, "a hole"});
    EXPECT_TRUE(behind(more, [] { ::syscall(SYS_getppid); }).survived);
    EXPECT_FALSE(behind(calls, [] { ::syscall(SYS_getppid); }).survived);
}

// The 32-bit system call table has other numbers: none of it is there (int 0x80 is its way in).
TEST_P(VmmThread, system_calls_of_another_architecture_end_the_process) {
    const Outcome outcome = behind(GetParam().calls(), [] {
        long result = 4;  // write there
        __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    });
    EXPECT_FALSE(outcome.survived);
    EXPECT_EQ(outcome.signal, SIGSYS);
}
INSTANTIATE_TEST_SUITE_P(Kinds, VmmThread, ::testing::ValuesIn(kKinds),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace anchorhold::vmm
