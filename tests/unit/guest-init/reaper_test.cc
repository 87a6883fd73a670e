// Orphans are reaped, other owners' children are left to them.
#include "guest-init/reaper.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

namespace anchorhold::guest_init {
namespace {

pid_t child_that_ends() {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::_exit(0);
    }
    return pid;
}

TEST(Reaper, child_of_nobody_is_reaped_and_an_owned_one_is_left_to_its_owner) {
    const auto loop = EventLoop::create().value();
    std::set<pid_t> owned;
    std::set<pid_t> collected;
    const auto reaper = Reaper::create(*loop, [&](pid_t pid) {
                            if (!owned.contains(pid)) {
                                return false;
                            }
                            ::waitpid(pid, nullptr, 0);
                            collected.insert(pid);
                            return true;
                        }).value();
    const pid_t orphan = child_that_ends();
    const pid_t mine = child_that_ends();
    owned.insert(mine);
    while (collected.empty() || ::waitpid(orphan, nullptr, WNOHANG) == 0) {
        ASSERT_TRUE(loop->run_once(std::chrono::seconds(1)));
    }
    EXPECT_EQ(collected, std::set<pid_t>{mine});
    EXPECT_EQ(::waitpid(orphan, nullptr, WNOHANG), -1) << "it is gone";
}

}  // namespace
}  // namespace anchorhold::guest_init
