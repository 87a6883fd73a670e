// What needs no cgroup file system: limits and the text of memory.events.
#include "guest-init/agent_cgroup.h"

#include <gtest/gtest.h>

namespace anchorhold::guest_init {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;

TEST(AgentCgroup, memory_limit_leaves_a_reserve) {
    EXPECT_EQ(agent_memory_limit(128 * kMebibyte), 114 * kMebibyte);
    EXPECT_EQ(agent_memory_limit(16 * kMebibyte), 8 * kMebibyte);
    for (uint64_t total = 0; total < 4096 * kMebibyte; total += 3 * kMebibyte) {
        EXPECT_LE(agent_memory_limit(total), total);
    }
}

TEST(AgentCgroup, oom_kill_is_read_from_its_own_line) {
    EXPECT_FALSE(counts_oom_kill(""));
    EXPECT_FALSE(counts_oom_kill("low 0\nhigh 0\nmax 12\noom 3\noom_kill 0\noom_group_kill 5\n"));
    EXPECT_TRUE(counts_oom_kill("low 0\nhigh 0\nmax 12\noom 3\noom_kill 1\noom_group_kill 0\n"));
    EXPECT_TRUE(counts_oom_kill("oom_kill 17"));
}

}  // namespace
}  // namespace anchorhold::guest_init
