// What a proxy that was taken over could still try: each call ends its process.
#include "proxy/jail.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

namespace anchorhold::proxy {
namespace {

// In a child behind both walls, as a signal's number, or 128 and more for an exit.
int end_of_jailed(const std::function<void()>& attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (!enter_empty_namespaces() || !install_filter()) {
            ::_exit(99);
        }
        attempt();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 128 + WEXITSTATUS(status);
}

struct Call {
    const char* name;
    long number;
    long arguments[6] = {};
};
void PrintTo(const Call& call, std::ostream* out) {
    *out << call.name;
}

class JailedCall : public ::testing::TestWithParam<Call> {};

TEST_P(JailedCall, ends_the_process) {
    const Call& call = GetParam();
    const int end = end_of_jailed([&] {
        const long* a = call.arguments;
        ::syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
    });
    EXPECT_EQ(end, SIGSYS);
}

constexpr long kAnyProtection = PROT_READ | PROT_WRITE | PROT_EXEC;

const Call kCalls[] = {
    {"socket", SYS_socket, {AF_INET, SOCK_STREAM}},
    {"socket_unix", SYS_socket, {AF_UNIX, SOCK_STREAM}},
    {"socket_netlink", SYS_socket, {AF_NETLINK, SOCK_RAW}},
    {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM}},
    {"connect", SYS_connect, {0}},
    {"bind", SYS_bind, {0}},
    {"listen", SYS_listen, {0}},
    {"accept", SYS_accept, {0}},
    {"accept4", SYS_accept4, {0}},
    {"sendmmsg", SYS_sendmmsg, {0}},
    {"open", SYS_open, {0}},
    {"openat", SYS_openat, {AT_FDCWD}},
    {"openat2", SYS_openat2, {AT_FDCWD}},
    {"creat", SYS_creat, {0}},
    {"stat", SYS_newfstatat, {AT_FDCWD}},
    {"readlink", SYS_readlink, {0}},
    {"unlink", SYS_unlink, {0}},
    {"rename", SYS_rename, {0}},
    {"mkdir", SYS_mkdir, {0}},
    {"chdir", SYS_chdir, {0}},
    {"chroot", SYS_chroot, {0}},
    {"pivot_root", SYS_pivot_root, {0}},
    {"mount", SYS_mount, {0}},
    {"umount", SYS_umount2, {0}},
    {"name_to_handle_at", SYS_name_to_handle_at, {AT_FDCWD}},
    {"open_by_handle_at", SYS_open_by_handle_at, {0}},
    {"memfd_create", SYS_memfd_create, {0}},
    {"memfd_secret", SYS_memfd_secret, {0}},
    {"inotify", SYS_inotify_init1, {0}},
    {"fork", SYS_fork, {0}},
    {"vfork", SYS_vfork, {0}},
    {"clone", SYS_clone, {SIGCHLD}},
    {"clone_thread", SYS_clone, {0x10000 | 0x800 | 0x100}},
    {"clone3", SYS_clone3, {0}},
    {"execve", SYS_execve, {0}},
    {"execveat", SYS_execveat, {0}},
    {"kill", SYS_kill, {1, 0}},
    {"tkill", SYS_tkill, {1, 0}},
    {"tgkill", SYS_tgkill, {1, 1, 0}},
    {"pidfd_open", SYS_pidfd_open, {1}},
    {"pidfd_getfd", SYS_pidfd_getfd, {0}},
    {"pidfd_send_signal", SYS_pidfd_send_signal, {0}},
    {"ptrace", SYS_ptrace, {16, 1}},
    {"process_vm_readv", SYS_process_vm_readv, {1}},
    {"process_vm_writev", SYS_process_vm_writev, {1}},
    {"process_madvise", SYS_process_madvise, {0}},
    {"kcmp", SYS_kcmp, {1, 1}},
    {"prctl_dumpable", SYS_prctl, {4, 1}},
    {"seccomp", SYS_seccomp, {0}},
    {"setrlimit", SYS_setrlimit, {0}},
    {"prlimit", SYS_prlimit64, {0}},
    {"setuid", SYS_setuid, {0}},
    {"capset", SYS_capset, {0}},
    {"unshare", SYS_unshare, {0}},
    {"setns", SYS_setns, {0}},
    {"io_uring_setup", SYS_io_uring_setup, {8}},
    {"io_setup", SYS_io_setup, {8}},
    {"bpf", SYS_bpf, {0}},
    {"userfaultfd", SYS_userfaultfd, {0}},
    {"perf_event_open", SYS_perf_event_open, {0}},
    {"keyctl", SYS_keyctl, {0}},
    {"add_key", SYS_add_key, {0}},
    {"init_module", SYS_init_module, {0}},
    {"kexec_load", SYS_kexec_load, {0}},
    {"mmap_executable", SYS_mmap, {0, 4096, kAnyProtection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"mprotect_executable", SYS_mprotect, {0, 4096, kAnyProtection}},
    {"pkey_mprotect", SYS_pkey_mprotect, {0, 4096, kAnyProtection, -1}},
    {"shmget", SYS_shmget, {0}},
    {"shmat", SYS_shmat, {0}},
    {"modify_ldt", SYS_modify_ldt, {0}},
    {"personality", SYS_personality, {0x0400000}},
    {"dup", SYS_dup, {0}},
    {"splice", SYS_splice, {0}},
    {"sendfile", SYS_sendfile, {0}},
    {"pipe", SYS_pipe2, {0}},
    {"timer_create", SYS_timer_create, {0}},
    {"x32_getpid", 0x40000000 | SYS_getpid, {0}},
    {"unknown", 1000, {0}},
};
INSTANTIATE_TEST_SUITE_P(Jail, JailedCall, ::testing::ValuesIn(kCalls),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Jail, what_a_proxy_needs_goes_on) {
    EXPECT_EQ(end_of_jailed([] {
                  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                  ::munmap(memory, 4096);
                  ::getpid();
              }),
              128);
}

// The 32-bit system call table has other numbers: none of it is there (int 0x80 is its way in).
TEST(Jail, system_calls_of_another_architecture_end_the_process) {
    EXPECT_EQ(
        end_of_jailed([] {
            long result = 20;  // getpid there
            __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
        }),
        SIGSYS);
}

}  // namespace
}  // namespace anchorhold::proxy
