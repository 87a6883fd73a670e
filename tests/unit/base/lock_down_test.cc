// A child gives up what it has and then tries.
#include "base/lock_down.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

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
};

// How a child ends that is locked down and then does something.
int status_after(const std::function<void()>& act) {
    const pid_t child = ::fork();
    if (child == 0) {
        const bool ready = give_up_privileges() && install_filter(kCalls);
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
