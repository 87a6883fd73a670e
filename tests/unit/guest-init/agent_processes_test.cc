// Texts of /proc, and this process as the kernel shows it.
#include "guest-init/uniqueness/agent_processes.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

std::string status_text(const std::string& uids) {
    return "Name:\tpython3\\nUid:\t0\t0\t0\t0\nUmask:\t0022\nUid:\t" + uids +
           "\nGid:\t1000\t1000\t1000\t1000\nSigPnd:\t0000000000000000\n"
           "SigBlk:\t0000008000000000\nSigIgn:\t0000000001001000\nSigCgt:\t0000000000000200\n"
           "CapInh:\t0000000000000000\n";
}

TEST(AgentProcesses, uid_and_handled_signals_are_read) {
    const auto facts = parse_status(status_text("1000\t1000\t1000\t1000"));
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->uid, 1000U);
    EXPECT_EQ(facts->handled, (uint64_t{1} << 39) | (uint64_t{1} << 9));
}

TEST(AgentProcesses, status_that_is_cut_or_has_several_uids_is_nobody) {
    for (const char* uids : {"1000\t0\t1000\t1000", "1000\t1000\t1000", "1000", "", "x\tx\tx\tx",
                             "-1\t-1\t-1\t-1", "4294967296\t4294967296\t4294967296\t4294967296"}) {
        EXPECT_FALSE(parse_status(status_text(uids))) << uids;
    }
    const std::string whole = status_text("1000\t1000\t1000\t1000");
    for (size_t size = 0; size < whole.find("CapInh") - 1; ++size) {
        EXPECT_FALSE(parse_status(std::string_view(whole).substr(0, size))) << size;
    }
}

TEST(AgentProcesses, only_groups_below_the_agents_count) {
    EXPECT_TRUE(is_in_agent_group("0::/agent/session-1\n"));
    EXPECT_TRUE(is_in_agent_group("0::/agent/session-12 (deleted)\n"));
    for (const char* text :
         {"", "0::/\n", "0::/agent\n", "0::/agents/session-1\n", "0::/../agent/session-1\n",
          "1:name=x:/agent/session-1\n0::/\n", "/agent/session-1\n"}) {
        EXPECT_FALSE(is_in_agent_group(text)) << text;
    }
}

TEST(AgentProcesses, signal_reaches_the_opened_process_and_no_successor) {
    ProcProcesses processes(sys::open("/proc", O_PATH | O_DIRECTORY).value());
    const pid_t child = ::fork();
    if (child == 0) {
        for (;;) {
            ::pause();
        }
    }
    const auto process = processes.open(child);
    ASSERT_TRUE(process && process->valid());
    EXPECT_FALSE(processes.look_at_agent(child));  // of no agent's group
    ASSERT_TRUE(processes.signal(*process, SIGUSR1));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    EXPECT_EQ(processes.signal(*process, SIGUSR1).error().code, ESRCH);
    EXPECT_FALSE(processes.open(child));
}

}  // namespace
}  // namespace anchorhold::guest_init
