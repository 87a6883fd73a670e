// A child goes to jail and says what it finds there.
#include "base/jail.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/fd.h"
#include "base/sys.h"

namespace anchorhold {
namespace {

constexpr int kKinds = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
constexpr uid_t kSomebody = 1234567;

// Where this test may not make namespaces, none of what follows can be seen.
constexpr int kBeside = 77;

// 0 when `holds` holds in a jail.
int status_in_jail(const std::function<bool()>& holds) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto jailed =
            enter_jail({.namespaces = kKinds, .user = kSomebody, .limits = {{RLIMIT_NOFILE, 50}}});
        ::_exit(!jailed ? 99 : *jailed == Jailed::kBeside ? kBeside : holds() ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

void expect_in_jail(const std::function<bool()>& holds) {
    const int status = status_in_jail(holds);
    if (status == kBeside) {
        GTEST_SKIP() << "this user may not make namespaces here";
    }
    EXPECT_EQ(status, 0);
}

TEST(Jail, root_is_empty_and_read_only) {
    expect_in_jail([] {
        return ::access("/proc", F_OK) < 0 && ::access("/dev", F_OK) < 0 &&
               ::mkdir("/x", 0755) < 0 && errno == EROFS;
    });
}

TEST(Jail, outside_is_out_of_reach_through_dots) {
    expect_in_jail([] { return ::chdir("../../..") == 0 && ::access("etc", F_OK) < 0; });
}

TEST(Jail, network_has_its_own_loopback_and_nothing_else) {
    expect_in_jail([] { return ::if_nametoindex("lo") == 1 && ::if_nametoindex("eth0") == 0; });
}

TEST(Jail, root_is_somebody_else_without_groups) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root becomes another user";
    }
    expect_in_jail([] {
        return ::getuid() == kSomebody && ::geteuid() == kSomebody && ::getgid() == kSomebody &&
               ::getgroups(0, nullptr) == 0 && ::setuid(0) < 0;
    });
}

TEST(Jail, nothing_is_gained_and_nothing_attaches) {
    expect_in_jail([] {
        return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
               ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
               ::prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */, 0, 0, 0) == 0 &&
               ::sethostname("x", 1) < 0 && ::unshare(CLONE_NEWNET) < 0;
    });
}

TEST(Jail, limits_are_lowered) {
    expect_in_jail([] {
        rlimit files{};
        rlimit core{1, 1};
        return ::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur == 50 &&
               files.rlim_max == 50 && ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
    });
}

TEST(Jail, what_was_open_stays_open) {
    const auto file = sys::memfd("kept", 4096);
    ASSERT_TRUE(file);
    expect_in_jail([&] {
        struct stat status {};
        return ::fstat(file->get(), &status) == 0 && status.st_size == 4096;
    });
}

}  // namespace
}  // namespace anchorhold
