// The client, the relay's program and the agent together, with a stand-in for QEMU: one machine for
// many callers, its failures, its end, and what is left of it.
#include "machine/machine.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/sys.h"
#include "exec/client.h"
#include "machine/control_client.h"
#include "machine/runtime_folder.h"
#include "machine/shared_file.h"
#include "temporary_folder.h"

namespace anchorhold::machine {
namespace {

constexpr const char* kBuildId = "0123456789abcdef0123456789abcdef";
constexpr const char* kOtherBuildId = "fedcba9876543210fedcba9876543210";

class MachineTest : public testing::Test {
  protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);
        ::setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1);
        ::setenv("XDG_CACHE_HOME", (folder.path() + "/cache").c_str(), 1);
        std::filesystem::create_directories(folder.path() + "/machine/tree/etc");
        options.folder = folder.path() + "/machine";
        options.relay = ANCHORHOLD_RELAY;
        lay_out(kBuildId);
    }

    void TearDown() override {
        const auto machines = list();
        for (const Machine& machine : machines.value_or(std::vector<Machine>())) {
            EXPECT_TRUE(stop(machine));
        }
        ::unsetenv("XDG_RUNTIME_DIR");
        ::unsetenv("XDG_CACHE_HOME");
    }

    // The tree's build id, and a machine that serves it.
    void lay_out(const std::string& build_id) {
        ASSERT_TRUE(
            sys::write_file(options.folder + "/tree/etc/anchorhold-build-id", build_id + "\n"));
        play({"serve", build_id});
    }

    // What the stand-in for QEMU does from now on.
    void play(const std::vector<std::string>& arguments) {
        std::string script = "#!/bin/sh\nprintf '%s\\n' " + std::string(ANCHORHOLD_FAKE_QEMU);
        for (const std::string& argument : arguments) {
            script += " '" + argument + "'";
        }
        const std::string path = options.folder + "/qemu-args";
        std::filesystem::remove(path);
        ASSERT_TRUE(sys::write_file(path, script + "\n"));
        ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
    }

    [[nodiscard]] Result<Machine> run() const {
        return ensure_running(options, [](auto) {});
    }

    // Nothing but the user's own folders.
    void expect_nothing_left() const {
        EXPECT_TRUE(std::filesystem::is_empty(folder.path() + "/anchorhold"));
        EXPECT_TRUE(std::filesystem::is_empty(folder.path() + "/cache/anchorhold"));
    }

    TemporaryFolder folder;
    MachineOptions options;
};

// True once the process behind `pid` is gone; waits for it.
bool ended(uint32_t pid) {
    const auto process = sys::pidfd_open(static_cast<pid_t>(pid));
    if (!process) {
        return process.error().code == ESRCH;
    }
    pollfd wait{process->get(), POLLIN, 0};
    return ::poll(&wait, 1, 20'000) == 1;
}

// Runs a command to its end; its exit status, or -1.
int exit_status(const Machine& machine, const std::vector<std::string>& argv) {
    proto::ExecStart start;
    for (const std::string& argument : argv) {
        start.add_argv(argument);
    }
    start.set_no_stdin(true);
    auto stream = connect(machine);
    if (!stream) {
        ADD_FAILURE() << stream.error().message;
        return -1;
    }
    const auto loop = EventLoop::create().value();
    int status = -1;
    const exec::ExecClient client(
        *loop, std::move(*stream), start, {}, [&](const exec::Outcome& outcome) {
            if (const auto* exited = std::get_if<exec::Exited>(&outcome)) {
                status = exited->code;
            }
            loop->stop();
        });
    EXPECT_TRUE(loop->run());
    return status;
}

TEST_F(MachineTest, command_runs_and_its_status_returns) {
    const auto machine = run();
    ASSERT_TRUE(machine) << machine.error().message;
    EXPECT_TRUE(machine->started_now);
    EXPECT_TRUE(machine->status.kvm_usable());
    EXPECT_EQ(machine->status.build_id(), kBuildId);
    EXPECT_EQ(exit_status(*machine, {"sh", "-c", "exit 7"}), 7);
}

TEST_F(MachineTest, second_caller_reuses_the_machine) {
    const auto first = run();
    const auto second = run();
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(second->started_now);
    EXPECT_EQ(first->status.qemu_pid(), second->status.qemu_pid());
}

TEST_F(MachineTest, concurrent_callers_start_one_machine) {
    std::vector<Result<Machine>> machines(6, fail("not run"));
    {
        std::vector<std::jthread> callers;
        for (auto& machine : machines) {
            callers.emplace_back([&] { machine = run(); });
        }
    }
    int started = 0;
    for (const auto& machine : machines) {
        ASSERT_TRUE(machine) << machine.error().message;
        EXPECT_EQ(machine->status.qemu_pid(), machines[0]->status.qemu_pid());
        started += machine->started_now ? 1 : 0;
    }
    EXPECT_EQ(started, 1);
}

TEST_F(MachineTest, stop_leaves_nothing) {
    const auto machine = run();
    ASSERT_TRUE(machine);
    ASSERT_TRUE(stop(*machine));
    EXPECT_TRUE(ended(machine->status.qemu_pid()));
    EXPECT_TRUE(ended(machine->status.relay_pid()));
    expect_nothing_left();
    EXPECT_TRUE(stop(*machine)) << "a second stop finds nothing to do";
}

TEST_F(MachineTest, killed_relay_takes_the_machine_along) {
    const auto machine = run();
    ASSERT_TRUE(machine);
    ASSERT_EQ(::kill(static_cast<pid_t>(machine->status.relay_pid()), SIGKILL), 0);
    EXPECT_TRUE(ended(machine->status.qemu_pid()));
    EXPECT_TRUE(list().value().empty());
    expect_nothing_left();
}

TEST_F(MachineTest, killed_relay_is_replaced) {
    const auto first = run();
    ASSERT_TRUE(first);
    ASSERT_EQ(::kill(static_cast<pid_t>(first->status.relay_pid()), SIGKILL), 0);
    ASSERT_TRUE(ended(first->status.relay_pid()));
    const auto second = run();
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_TRUE(second->started_now);
}

TEST_F(MachineTest, killed_machine_ends_its_relay) {
    const auto machine = run();
    ASSERT_TRUE(machine);
    ASSERT_EQ(::kill(static_cast<pid_t>(machine->status.qemu_pid()), SIGKILL), 0);
    EXPECT_TRUE(ended(machine->status.relay_pid()));
    expect_nothing_left();
}

TEST_F(MachineTest, machine_that_lost_its_multiplex_is_replaced_and_says_why) {
    play({"deaf", kBuildId, "panic: as told"});
    const auto first = run();
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(exit_status(*first, {"true"}), -1);
    // It still runs, and is not handed out again.
    ASSERT_EQ(list().value().size(), 1U);
    EXPECT_EQ(list().value()[0].status.state(), proto::RelayStatus::STOPPING);
    const auto control = ControlClient::connect(MachineFolder::open(first->folder).value());
    ASSERT_TRUE(control) << control.error().message;
    proto::RelayRequest stop;
    stop.mutable_stop();
    control->post(stop);
    play({"serve", kBuildId});
    ASSERT_EQ(::kill(static_cast<pid_t>(first->status.qemu_pid()), SIGTERM), 0);
    const auto second = run();
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_TRUE(second->started_now);
    EXPECT_EQ(exit_status(*second, {"sh", "-c", "exit 7"}), 7);
    EXPECT_EQ(reason_of_end(*second), "");
    const auto answer = control->ask(stop);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->error(), "the machine ended: QEMU exit status 5; last lines: panic: as told");
}

TEST_F(MachineTest, machine_that_does_not_start_says_why) {
    play({"fail", "qemu: no such cpu"});
    const auto machine = run();
    ASSERT_FALSE(machine);
    EXPECT_EQ(machine.error().message,
              "the machine did not start: QEMU exit status 3; last lines: qemu: no such cpu");
    expect_nothing_left();
}

TEST_F(MachineTest, missing_qemu_is_named) {
    ASSERT_TRUE(
        sys::write_file(options.folder + "/qemu-args", "#!/bin/sh\necho /nonexistent/qemu\n"));
    const auto machine = run();
    ASSERT_FALSE(machine);
    EXPECT_NE(machine.error().message.find("execute /nonexistent/qemu: No such file"),
              std::string::npos)
        << machine.error().message;
    expect_nothing_left();
}

TEST_F(MachineTest, command_line_that_cannot_be_made_is_an_error) {
    ASSERT_TRUE(
        sys::write_file(options.folder + "/qemu-args", "#!/bin/sh\necho no kernel >&2; exit 1\n"));
    const auto machine = run();
    ASSERT_FALSE(machine);
    EXPECT_EQ(machine.error().message, "no kernel");
}

TEST_F(MachineTest, agent_of_another_build_is_refused) {
    play({"serve", kOtherBuildId});
    const auto machine = run();
    ASSERT_FALSE(machine);
    EXPECT_NE(machine.error().message.find(kOtherBuildId), std::string::npos)
        << machine.error().message;
}

TEST_F(MachineTest, machine_that_breaks_the_protocol_is_ended) {
    play({"garbage"});
    const auto machine = run();
    ASSERT_FALSE(machine);
    EXPECT_NE(machine.error().message.find("frame of 4294967295 bytes"), std::string::npos)
        << machine.error().message;
    expect_nothing_left();
}

TEST_F(MachineTest, missing_tree_says_what_to_do) {
    std::filesystem::remove(options.folder + "/tree/etc/anchorhold-build-id");
    const auto machine = run();
    ASSERT_FALSE(machine);
    EXPECT_NE(machine.error().message.find("run tools/dev setup"), std::string::npos);
}

TEST_F(MachineTest, idle_machine_of_another_build_is_dismissed) {
    const auto old = run();
    ASSERT_TRUE(old);
    lay_out(kOtherBuildId);
    const auto now = run();
    ASSERT_TRUE(now) << now.error().message;
    EXPECT_NE(now->status.qemu_pid(), old->status.qemu_pid());
    EXPECT_TRUE(ended(old->status.relay_pid()));
}

TEST_F(MachineTest, busy_machine_of_another_build_is_left_alone) {
    const auto old = run();
    ASSERT_TRUE(old);
    const auto command = connect(*old);
    ASSERT_TRUE(command);
    // The relay has taken the stream once a later command has run.
    ASSERT_EQ(exit_status(*old, {"true"}), 0);
    lay_out(kOtherBuildId);
    ASSERT_TRUE(run());
    EXPECT_EQ(list().value().size(), 2U);
}

TEST_F(MachineTest, unused_machine_ends_by_itself) {
    options.idle = std::chrono::seconds(1);
    const auto machine = run();
    ASSERT_TRUE(machine);
    EXPECT_TRUE(ended(machine->status.relay_pid()));
    expect_nothing_left();
}

TEST_F(MachineTest, share_is_there_while_the_machine_runs) {
    const auto machine = run();
    ASSERT_TRUE(machine);
    const auto shared = SharedFile::lend(machine->status.share(), ANCHORHOLD_RELAY);
    ASSERT_TRUE(shared) << shared.error().message;
    ASSERT_TRUE(stop(*machine));
    expect_nothing_left();
}

TEST_F(MachineTest, silent_machine_can_be_stopped) {
    play({"silent"});
    std::jthread caller([&] { EXPECT_FALSE(run()); });
    std::vector<Machine> machines;
    while (machines.empty()) {
        machines = list().value_or(std::vector<Machine>());
    }
    EXPECT_EQ(machines[0].status.state(), proto::RelayStatus::STARTING);
    play({"fail", "stopped"});
    EXPECT_TRUE(stop(machines[0]));
}

}  // namespace
}  // namespace anchorhold::machine
