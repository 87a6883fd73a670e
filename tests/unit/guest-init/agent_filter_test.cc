// The agent's filter, installed in forked children of this test.
#include "guest-init/agent_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <set>
#include <string>

namespace anchorhold::guest_init {
namespace {

// Runs `body` under the filter in a child; its result is the child's exit status, or -signal.
int under_filter(const std::function<int()>& body) {
    const std::vector<sock_filter> filter = agent_filter();
    const pid_t pid = ::fork();
    if (pid == 0) {
        const sock_fprog program{static_cast<unsigned short>(filter.size()),
                                 const_cast<sock_filter*>(filter.data())};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
            ::_exit(250);
        }
        ::_exit(body());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// The errno of a system call under the filter; 0 when it succeeded.
int error_of(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
    return under_filter([=] { return ::syscall(number, a, b, c, d) < 0 ? errno : 0; });
}

TEST(AgentFilter, sockets_of_allowed_families_open) {
    EXPECT_EQ(error_of(SYS_socket, AF_UNIX, SOCK_STREAM), 0);
    EXPECT_EQ(error_of(SYS_socket, AF_INET, SOCK_STREAM), 0);
    EXPECT_EQ(error_of(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), 0);
}

TEST(AgentFilter, sockets_of_other_families_do_not_exist) {
    EXPECT_EQ(error_of(SYS_socket, AF_VSOCK, SOCK_STREAM), EAFNOSUPPORT);
    EXPECT_EQ(error_of(SYS_socket, AF_PACKET, SOCK_RAW), EAFNOSUPPORT);
    EXPECT_EQ(error_of(SYS_socket, AF_ALG, SOCK_SEQPACKET), EAFNOSUPPORT);
    EXPECT_EQ(error_of(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), EAFNOSUPPORT);
    // The kernel looks at the low half only, so the filter must too.
    EXPECT_EQ(error_of(SYS_socket, (1L << 32) | AF_VSOCK, SOCK_STREAM), EAFNOSUPPORT);
}

class RefusedCall : public testing::TestWithParam<FilterRule> {};

TEST_P(RefusedCall, unconditional_rule_answers_with_its_error) {
    EXPECT_EQ(error_of(GetParam().number), GetParam().error) << GetParam().reason;
}

std::vector<FilterRule> unconditional_rules() {
    std::vector<FilterRule> rules;
    for (const FilterRule& rule : agent_filter_description().rules) {
        if (rule.condition.test == Condition::Test::kAlways) {
            rules.push_back(rule);
        }
    }
    return rules;
}

INSTANTIATE_TEST_SUITE_P(All, RefusedCall, testing::ValuesIn(unconditional_rules()),
                         [](const auto& tested) {
                             return "number_" + std::to_string(tested.param.number);
                         });

TEST(AgentFilter, every_rule_has_a_reason_and_unconditional_ones_are_unique) {
    std::set<uint32_t> numbers;
    for (const FilterRule& rule : agent_filter_description().rules) {
        EXPECT_FALSE(rule.reason.empty());
        if (rule.condition.test == Condition::Test::kAlways) {
            EXPECT_TRUE(numbers.insert(rule.number).second) << rule.number;
        }
    }
}

TEST(AgentFilter, namespaces_are_refused_and_threads_work) {
    EXPECT_EQ(error_of(SYS_unshare, CLONE_NEWUSER), EPERM);
    EXPECT_EQ(error_of(SYS_unshare, CLONE_NEWNET | CLONE_FILES), EPERM);
    EXPECT_EQ(error_of(SYS_unshare, CLONE_FILES), 0);
    EXPECT_EQ(error_of(SYS_clone, CLONE_NEWUSER | SIGCHLD), EPERM);
    EXPECT_EQ(under_filter([] {
                  const pid_t pid = ::fork();
                  if (pid == 0) {
                      ::_exit(3);
                  }
                  int status = 0;
                  return ::waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 1;
              }),
              3);
}

TEST(AgentFilter, terminal_input_cannot_be_forged) {
    EXPECT_EQ(error_of(SYS_ioctl, 0, TIOCSTI), EPERM);
    EXPECT_EQ(error_of(SYS_ioctl, 0, (1L << 32) | TIOCSTI), EPERM);
    EXPECT_EQ(error_of(SYS_ioctl, -1, TIOCGWINSZ), EBADF);
}

TEST(AgentFilter, personality_keeps_what_debuggers_use) {
    EXPECT_EQ(under_filter([] { return ::personality(0xffffffff) < 0 ? errno : 0; }), 0);
    EXPECT_EQ(under_filter([] { return ::personality(ADDR_NO_RANDOMIZE) < 0 ? errno : 0; }), 0);
    EXPECT_EQ(under_filter([] { return ::personality(READ_IMPLIES_EXEC) < 0 ? errno : 0; }), EPERM);
}

TEST(AgentFilter, unknown_calls_do_not_exist) {
    EXPECT_EQ(error_of(agent_filter_description().first_unknown), ENOSYS);
    EXPECT_EQ(error_of(0x3fffffff), ENOSYS);
}

TEST(AgentFilter, x32_calls_kill) {
    EXPECT_EQ(error_of(0x40000000 | SYS_getpid), -SIGSYS);
    EXPECT_EQ(error_of(-1), -SIGSYS);
}

TEST(AgentFilter, common_programs_run) {
    for (const char* script :
         {"python3 -c 'import threading, subprocess, socket; "
          "t = threading.Thread(target=print); t.start(); t.join(); "
          "subprocess.check_call([\"true\"]); socket.getaddrinfo(\"localhost\", 80)'",
          "bash -c 'for i in 1 2 3; do echo $i | cat; done'", "git --version",
          "ls -l / | sort | head -n 1"}) {
        EXPECT_EQ(under_filter([script] {
                      const int null = ::open("/dev/null", O_WRONLY);
                      ::dup2(null, 1);
                      ::execl("/bin/sh", "sh", "-c", script, nullptr);
                      return 251;
                  }),
                  0)
            << script;
    }
}

TEST(AgentFilter, assembled_filter_stays_within_the_kernel_limit) {
    EXPECT_LT(agent_filter().size(), size_t{BPF_MAXINSNS} / 8);
}

}  // namespace
}  // namespace anchorhold::guest_init
