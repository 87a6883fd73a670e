// The supervisor's end of the control socket against a VMM that follows a script.
#include "supervisor/vmm_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "base/sys.h"
#include "fakes/manual_clock.h"
#include "run_until.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

class VmmProcessTest : public testing::Test {
  protected:
    void start(const std::string& script) {
        const OwnFd initrd = sys::memfd("script", 0).value();
        ASSERT_TRUE(sys::write_all(initrd.get(), script));
        proto::VmmCommand configure;
        configure.mutable_configure()->set_initrd_fd(0);
        const int fd = initrd.get();
        auto started = VmmProcess::start(
            *loop, FAKE_VMM, configure, {&fd, 1},
            {[&](const proto::VmmEvent& event) {
                 events.push_back(event.has_console() ? event.console().data()
                                                      : std::to_string(event.event_case()));
             },
             [&](const std::string& how) {
                 ++ends;
                 end = how;
             }});
        ASSERT_TRUE(started) << started.error().message;
        vmm = std::move(*started);
    }

    void expect_end(const std::string& how) {
        EXPECT_TRUE(run_until(*loop, [&] { return end.has_value(); }));
        EXPECT_EQ(end, how);
        ASSERT_TRUE(loop->run_once(Duration::zero()));
        EXPECT_EQ(ends, 1);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "not reaped";
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    std::vector<std::string> events;
    std::optional<std::string> end;
    int ends = 0;
    std::unique_ptr<VmmProcess> vmm;
};

TEST_F(VmmProcessTest, events_arrive_in_order_before_the_end) {
    start("say one\nsay two\nexit 0\n");
    expect_end("");
    EXPECT_EQ(events, (std::vector<std::string>{"one", "two"}));
}

// More than one turn takes: what was said before the end is heard all the same.
TEST_F(VmmProcessTest, many_events_before_the_end_all_arrive) {
    std::string script;
    for (int i = 0; i < 100; ++i) {
        script += "say x\n";
    }
    start(script + "exit 0\n");
    expect_end("");
    EXPECT_EQ(events.size(), 100U);
}

TEST_F(VmmProcessTest, way_of_ending_is_told) {
    const struct {
        const char* script;
        const char* how;
    } cases[] = {
        {"exit 0\n", ""},
        {"exit 3\n", "exit status 3"},
        {"signal 9\n", "killed by signal 9 (Killed)"},
        {"signal 31\n", "killed by signal 31 (Bad system call)"},
        {"garbage\nsay after\nstay\n", "the VMM's event is not a valid message"},
        {"descriptor\nstay\n", "it sent descriptors nobody asked for"},
        {"oversize\nstay\n", "recvmsg packet from the other side is too large: Message too long"},
    };
    for (const auto& test : cases) {
        end.reset();
        ends = 0;
        events.clear();
        start(test.script);
        expect_end(test.how);
        EXPECT_TRUE(events.empty()) << test.script;
    }
}

TEST_F(VmmProcessTest, nothing_said_after_garbage_is_heard) {
    start("say before\ngarbage\nsay after\nended RESET\nstay\n");
    expect_end("the VMM's event is not a valid message");
    EXPECT_EQ(events, std::vector<std::string>{"before"});
}

TEST_F(VmmProcessTest, event_of_a_kind_not_known_here_is_passed_on) {
    start("unset\nexit 0\n");
    expect_end("");
    EXPECT_EQ(events, std::vector<std::string>{"0"});
}

TEST_F(VmmProcessTest, closed_control_socket_of_a_living_vmm_ends_it_after_a_while) {
    start("say here\nclose-control\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return !events.empty(); }));
    // The clock moves only now and then: the farewell begins whenever the socket's end is seen.
    EXPECT_TRUE(run_until(*loop, [&] {
        clock.advance(5s);
        return end.has_value();
    }));
    expect_end("it went silent and did not end");
}

TEST_F(VmmProcessTest, vmm_that_stays_after_its_last_word_is_ended_after_a_while) {
    start("ended RESET\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return !events.empty(); }));
    EXPECT_FALSE(end.has_value());
    clock.advance(5s);
    expect_end("it went silent and did not end");
}

TEST_F(VmmProcessTest, kill_ends_it) {
    start("say here\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return !events.empty(); }));
    EXPECT_EQ(::kill(vmm->pid(), 0), 0);
    vmm->kill();
    vmm->kill();
    expect_end("killed by signal 9 (Killed)");
    vmm->kill();
}

TEST_F(VmmProcessTest, destructor_kills_reaps_and_stays_silent) {
    start("say here\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return !events.empty(); }));
    vmm.reset();
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(ends, 0);
}

TEST_F(VmmProcessTest, end_handler_may_destroy_the_process) {
    const OwnFd initrd = sys::memfd("script", 0).value();
    ASSERT_TRUE(sys::write_all(initrd.get(), "exit 0\n"));
    proto::VmmCommand configure;
    configure.mutable_configure()->set_initrd_fd(0);
    const int fd = initrd.get();
    bool ended = false;
    vmm = VmmProcess::start(*loop, FAKE_VMM, configure, {&fd, 1},
                            {[](const proto::VmmEvent&) {},
                             [&](const std::string&) {
                                 vmm.reset();
                                 ended = true;
                             }})
              .value();
    EXPECT_TRUE(run_until(*loop, [&] { return ended; }));
}

TEST_F(VmmProcessTest, connect_gives_a_stream_the_vmm_holds_the_other_end_of) {
    start("serve\n");
    const OwnFd stream = vmm->connect(1025).value();
    std::string text;
    EXPECT_TRUE(loop->add(stream.get(), EPOLLIN, [&](uint32_t) {
        std::array<std::byte, 64> buffer{};
        const auto count = sys::read_some(stream.get(), buffer).value();
        text.append(reinterpret_cast<const char*>(buffer.data()), count.value_or(0));
    }));
    EXPECT_TRUE(run_until(*loop, [&] { return text == "port 1025"; }));
    loop->remove(stream.get());
}

TEST_F(VmmProcessTest, command_to_a_vmm_that_is_gone_is_an_error) {
    start("exit 0\n");
    expect_end("");
    const auto stream = vmm->connect(1025);
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().message, "anchorhold-vmm: sendmsg: Broken pipe");
}

TEST_F(VmmProcessTest, program_that_cannot_start_is_an_error_naming_it) {
    const auto started = VmmProcess::start(*loop, "/nonexistent/vmm", {}, {}, {});
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().message, "execute /nonexistent/vmm: No such file or directory");
}

TEST_F(VmmProcessTest, configuration_too_large_for_a_packet_is_an_error_and_leaves_no_process) {
    proto::VmmCommand configure;
    configure.mutable_configure()->set_kernel_arguments(std::string(5000, 'x'));
    const auto started = VmmProcess::start(*loop, FAKE_VMM, configure, {}, {});
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, EMSGSIZE);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace anchorhold::supervisor
