// The agent's walls around real processes of this host, without cgroups. Needs root, as init has
// it.
#include "guest-init/agent_launcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "base/event_loop.h"
#include "base/sys.h"
#include "exec/client.h"
#include "exec/server.h"

namespace anchorhold::guest_init {
namespace {

using testing::HasSubstr;

class AgentLauncherTest : public testing::Test {
  protected:
    static void SetUpTestSuite() { ::signal(SIGPIPE, SIG_IGN); }
    void SetUp() override {
        ASSERT_EQ(::getuid(), 0U) << "run the tests as root";
        const int fd = ::mkstemp(passwd.data());
        ASSERT_GE(fd, 0);
        const OwnFd file(fd);
        ASSERT_TRUE(sys::write_all(fd, "root:x:0:0::/:/bin/sh\nagent:x:1000:1000::/:/bin/sh\n"));
    }
    void TearDown() override { ::unlink(passwd.c_str()); }

    // What a shell script prints as `user`.
    std::string output_of(const std::string& script, const std::string& user = {}) {
        AgentLauncher launcher(passwd, nullptr);
        exec::ExecServer server(*loop, launcher);
        auto pair = sys::socket_pair(SOCK_STREAM).value();
        server.serve(std::move(pair.second));
        const OwnFd out = sys::memfd("stdout", 0).value();
        proto::ExecStart start;
        for (const std::string& argument : {std::string("/bin/sh"), std::string("-c"), script}) {
            start.add_argv(argument);
        }
        start.set_user(user);
        start.set_no_stdin(true);
        outcome.reset();
        exec::ExecClient client(*loop, std::move(pair.first), start,
                                exec::Stdio{-1, out.get(), out.get()},
                                [this](const exec::Outcome& ended) { outcome = ended; });
        while (!outcome) {
            EXPECT_TRUE(loop->run_once(std::chrono::seconds(1)));
        }
        std::string text(sys::file_size(out.get(), "stdout").value(), '\0');
        EXPECT_TRUE(
            sys::read_exact_at(out.get(), std::as_writable_bytes(std::span(text)), 0, "stdout"));
        return text;
    }

    std::string passwd = "/tmp/anchorhold-passwd-XXXXXX";
    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    std::optional<exec::Outcome> outcome;
};

TEST_F(AgentLauncherTest, default_user_is_the_agent_without_groups) {
    EXPECT_EQ(output_of("id -u; id -g; id -G; echo $USER"), "1000\n1000\n1000\nagent\n");
}

TEST_F(AgentLauncherTest, every_user_is_without_powers) {
    for (const char* user : {"", "root", "1234:5"}) {
        const std::string status = output_of("cat /proc/self/status", user);
        for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
            EXPECT_THAT(status, HasSubstr(std::string(set) + ":\t0000000000000000\n")) << user;
        }
        EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n")) << user;
        EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n")) << user;
    }
}

TEST_F(AgentLauncherTest, uid_zero_cannot_pass_file_permissions) {
    EXPECT_EQ(output_of("id -u; chown 7 " + passwd + " 2>/dev/null || echo refused", "root"),
              "0\nrefused\n");
}

TEST_F(AgentLauncherTest, agent_is_the_first_to_go_without_memory) {
    EXPECT_EQ(output_of("cat /proc/self/oom_score_adj"), "500\n");
}

TEST_F(AgentLauncherTest, unknown_user_is_refused) {
    output_of("true", "nobody-here");
    const auto* told = std::get_if<exec::Refused>(&*outcome);
    ASSERT_NE(told, nullptr);
    EXPECT_EQ(told->reason, proto::ExecRefused::BAD_REQUEST);
    EXPECT_EQ(told->message, "user 'nobody-here' is not in the image's /etc/passwd");
}

}  // namespace
}  // namespace anchorhold::guest_init
