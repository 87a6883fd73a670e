// A child gives up what it has and then tries.
#include "base/lock_down.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <vector>

namespace anchorhold {
namespace {

constexpr AllowedCall kCalls[] = {
    {SYS_exit_group, "the end"},
    {SYS_mmap, "memory"},
    {SYS_mprotect, "the same"},
    {SYS_getppid, "an example"},
    {SYS_fcntl, "one of its commands", ArgumentIs{1, F_GETFD}},
    {SYS_fcntl, "another one", ArgumentIs{1, F_GETFL}},
    {SYS_getuid, "behind those"},
    {SYS_tgkill, "only itself", ArgumentIs{0, kThisProcess}},
    {SYS_lseek, "only from the start or the end", ArgumentIs{2, 0, 1}},
};
constexpr RefusedCall kRefused[] = {{SYS_clone3, "libc does without", ENOSYS}};

pid_t own_number = 0;  // of a child, from before its filter

// How a child ends that is locked down and then does something.
int status_after(const std::function<void()>& act) {
    const pid_t child = ::fork();
    if (child == 0) {
        own_number = ::getpid();
        const bool ready = give_up_privileges() && install_filter(kCalls, kRefused);
        if (ready) {
            act();
        }
        ::_exit(ready ? 0 : 99);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(InstallFilter, calls_in_the_table_are_made) {
    EXPECT_EQ(status_after([] {
                  ::syscall(SYS_getppid);
                  ::syscall(SYS_fcntl, 0, F_GETFD);
                  ::syscall(SYS_fcntl, 0, F_GETFL);
                  ::syscall(SYS_getuid);
                  ::syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              }),
              0);
}

TEST(InstallFilter, any_other_call_ends_the_process) {
    EXPECT_EQ(status_after([] { ::syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY); }), -SIGSYS);
    EXPECT_EQ(status_after([] { ::syscall(SYS_getgid); }), -SIGSYS);
}

TEST(InstallFilter, another_argument_ends_the_process) {
    EXPECT_EQ(status_after([] { ::syscall(SYS_fcntl, 0, F_DUPFD, 5); }), -SIGSYS);
}

TEST(InstallFilter, executable_memory_ends_the_process) {
    EXPECT_EQ(status_after([] {
                  ::syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              }),
              -SIGSYS);
    EXPECT_EQ(status_after([] { ::syscall(SYS_mprotect, nullptr, 4096, PROT_EXEC); }), -SIGSYS);
}

TEST(InstallFilter, some_bits_of_an_argument_can_be_compared) {
    EXPECT_EQ(status_after([] { ::syscall(SYS_lseek, 0, 0, SEEK_SET); }), 0);
    EXPECT_EQ(status_after([] { ::syscall(SYS_lseek, 0, 0, SEEK_END); }), 0);
    EXPECT_EQ(status_after([] { ::syscall(SYS_lseek, 0, 0, SEEK_CUR); }), -SIGSYS);
}

TEST(InstallFilter, this_process_is_the_one_that_installed_it) {
    const pid_t parent = ::getpid();
    EXPECT_EQ(status_after([] { ::syscall(SYS_tgkill, own_number, own_number, 0); }), 0);
    EXPECT_EQ(status_after([parent] { ::syscall(SYS_tgkill, parent, parent, 0); }), -SIGSYS);
}

TEST(InstallFilter, refused_call_fails_with_its_error) {
    EXPECT_EQ(status_after([] {
                  if (::syscall(SYS_clone3, nullptr, 0) != -1 || errno != ENOSYS) {
                      ::syscall(SYS_exit_group, 98);
                  }
              }),
              0);
}

// As the kernel runs it: the answer, and after how many instructions.
struct Walk {
    uint32_t answer = 0;
    int steps = 0;
};

Walk walk(std::span<const sock_filter> program, const seccomp_data& data) {
    uint32_t value = 0;
    Walk done;
    for (size_t at = 0; at < program.size(); ++at) {
        const sock_filter& line = program[at];
        ++done.steps;
        const auto jump = [&](bool taken) { at += taken ? line.jt : line.jf; };
        switch (line.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                std::memcpy(&value, reinterpret_cast<const char*>(&data) + line.k, sizeof value);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                value &= line.k;
                break;
            case BPF_JMP | BPF_JA:
                at += line.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                jump(value == line.k);
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                jump(value >= line.k);
                break;
            case BPF_JMP | BPF_JSET | BPF_K:
                jump((value & line.k) != 0);
                break;
            case BPF_RET | BPF_K:
                done.answer = line.k;
                return done;
            default:
                ADD_FAILURE() << "an instruction that no filter of ours has: " << line.code;
                return done;
        }
    }
    ADD_FAILURE() << "the program has no end";
    return done;
}

TEST(MakeFilter, answers_each_number_after_few_steps) {
    // Every third number, and one with more lines than a conditional jump is long.
    constexpr uint32_t kNumbers = 450;
    constexpr uint32_t kLong = 99;
    std::vector<AllowedCall> calls;
    for (uint32_t number = 0; number < kNumbers; number += 3) {
        calls.push_back({number == SYS_mmap ? number + 1 : number, "an example"});
    }
    std::erase_if(calls, [](const AllowedCall& call) { return call.number == kLong; });
    for (uint32_t value = 1; value <= 100; ++value) {
        calls.push_back({kLong, "one of many", ArgumentIs{1, value}});
    }
    const auto program = make_filter(calls);
    int most = 0;
    for (uint32_t number = 0; number < kNumbers; ++number) {
        seccomp_data data{};
        data.nr = static_cast<int>(number);
        data.arch = AUDIT_ARCH_X86_64;
        data.args[1] = 50;
        const Walk done = walk(program, data);
        const bool listed = std::ranges::any_of(
            calls, [number](const AllowedCall& call) { return call.number == number; });
        EXPECT_EQ(done.answer == SECCOMP_RET_ALLOW, listed) << number;
        most = number == kLong ? most : std::max(most, done.steps);
        data.arch = AUDIT_ARCH_I386;
        EXPECT_EQ(walk(program, data).answer, SECCOMP_RET_KILL_PROCESS);
    }
    EXPECT_LE(most, 17);
}

TEST(GiveUpPrivileges, nothing_is_left) {
    const pid_t child = ::fork();
    if (child == 0) {
        rlimit core{1, 1};
        const bool left = !give_up_privileges() || ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
                          ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 ||
                          ::getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0 ||
                          ::sethostname("x", 1) == 0;
        ::_exit(left ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace anchorhold
