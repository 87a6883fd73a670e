// What a client hears of commands that cannot be started.
#include "exec/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "exec_rig.h"

namespace anchorhold::exec::test {
namespace {

class RefusalTest : public ExecTest {
  protected:
    void SetUp() override {
        char pattern[] = "/tmp/anchorhold-exec-XXXXXX";
        directory = ::mkdtemp(pattern);
    }
    void TearDown() override {
        ::unlink(path("file").c_str());
        ::rmdir(directory.c_str());
    }
    [[nodiscard]] std::string path(const std::string& name) const { return directory + "/" + name; }
    void make_file(const std::string& content, mode_t mode) const {
        ASSERT_TRUE(sys::write_file(path("file"), content));
        ASSERT_EQ(::chmod(path("file").c_str(), mode), 0);
    }
    Refused refusal_of(const proto::ExecStart& start) {
        RemoteRun run(*loop, server, start);
        run.finish();
        const Refused* told = refused(run);
        EXPECT_NE(told, nullptr);
        return told != nullptr ? *told : Refused{};
    }

    std::string directory;
};

TEST_F(RefusalTest, missing_command_is_not_found_and_names_path) {
    proto::ExecStart start = start_of({"no-such-command"});
    start.add_env("PATH=/bin:/nowhere");
    const Refused told = refusal_of(start);
    EXPECT_EQ(told.reason, proto::ExecRefused::NOT_FOUND);
    EXPECT_EQ(told.message, "'no-such-command' not found in PATH '/bin:/nowhere'");
}

TEST_F(RefusalTest, missing_file_is_not_found) {
    const Refused told = refusal_of(start_of({"/nowhere/program"}));
    EXPECT_EQ(told.reason, proto::ExecRefused::NOT_FOUND);
    EXPECT_EQ(told.message, "execute '/nowhere/program': No such file or directory");
}

TEST_F(RefusalTest, missing_interpreter_is_named) {
    make_file("#! /no/interpreter -x\n", 0755);
    const Refused told = refusal_of(start_of({path("file")}));
    EXPECT_EQ(told.reason, proto::ExecRefused::NOT_FOUND);
    EXPECT_NE(told.message.find("its interpreter '/no/interpreter' does not exist"),
              std::string::npos)
        << told.message;
}

TEST_F(RefusalTest, file_without_execute_permission_cannot_be_executed) {
    make_file("#!/bin/sh\n", 0644);
    const Refused told = refusal_of(start_of({path("file")}));
    EXPECT_EQ(told.reason, proto::ExecRefused::CANNOT_EXECUTE);
    EXPECT_NE(told.message.find("Permission denied"), std::string::npos) << told.message;
}

TEST_F(RefusalTest, directory_cannot_be_executed) {
    const Refused told = refusal_of(start_of({"/tmp"}));
    EXPECT_EQ(told.reason, proto::ExecRefused::CANNOT_EXECUTE);
    EXPECT_NE(told.message.find("Is a directory"), std::string::npos) << told.message;
}

TEST_F(RefusalTest, unknown_format_cannot_be_executed) {
    make_file("neither ELF nor script\n", 0755);
    const Refused told = refusal_of(start_of({path("file")}));
    EXPECT_EQ(told.reason, proto::ExecRefused::CANNOT_EXECUTE);
    EXPECT_NE(told.message.find("Exec format error"), std::string::npos) << told.message;
}

TEST_F(RefusalTest, argument_of_one_mebibyte_cannot_be_executed) {
    const Refused told = refusal_of(start_of({"/bin/echo", std::string(1 << 20, 'x')}));
    EXPECT_EQ(told.reason, proto::ExecRefused::CANNOT_EXECUTE);
    EXPECT_NE(told.message.find("too large"), std::string::npos) << told.message;
}

TEST_F(RefusalTest, arguments_beyond_the_frame_bound_are_refused_by_the_client) {
    const Refused told = refusal_of(start_of({"/bin/echo", std::string(5 << 20, 'x')}));
    EXPECT_EQ(told.reason, proto::ExecRefused::CANNOT_EXECUTE);
}

TEST_F(RefusalTest, missing_working_directory_is_a_bad_request) {
    proto::ExecStart start = shell("pwd");
    start.set_working_directory("/nowhere");
    const Refused told = refusal_of(start);
    EXPECT_EQ(told.reason, proto::ExecRefused::BAD_REQUEST);
    EXPECT_EQ(told.message, "working directory '/nowhere': No such file or directory");
}

TEST_F(RefusalTest, unknown_user_is_a_bad_request) {
    proto::ExecStart start = shell("id");
    start.set_user("no-such-user");
    const Refused told = refusal_of(start);
    EXPECT_EQ(told.reason, proto::ExecRefused::BAD_REQUEST);
    EXPECT_NE(told.message.find("no-such-user"), std::string::npos);
}

TEST_F(RefusalTest, empty_command_is_a_bad_request) {
    EXPECT_EQ(refusal_of(proto::ExecStart()).reason, proto::ExecRefused::BAD_REQUEST);
}

class FailingWalls final : public Enclosure {
  public:
    const char* enter() noexcept override {
        errno = EPERM;
        return "seccomp";
    }
};

class FailingLauncher final : public Launcher {
  public:
    Result<Account> account(std::string_view) override {
        return Account{0, 0, "root", "/", "/bin/sh"};
    }
    Result<std::unique_ptr<Enclosure>> enclose(const Account&) override {
        return std::make_unique<FailingWalls>();
    }
};

TEST_F(RefusalTest, walls_that_do_not_stand_refuse_the_command) {
    FailingLauncher failing;
    ExecServer walled(*loop, failing);
    RemoteRun run(*loop, walled, shell("echo must not run"));
    run.finish();
    ASSERT_NE(refused(run), nullptr);
    EXPECT_EQ(refused(run)->reason, proto::ExecRefused::INTERNAL);
    EXPECT_EQ(refused(run)->message, "start '/bin/sh': seccomp: Operation not permitted");
    EXPECT_EQ(run.out, "");
}

// As one of the command's own user may do to it.
class StoppingWalls final : public Enclosure {
  public:
    const char* enter() noexcept override {
        ::kill(::getpid(), SIGSTOP);
        return nullptr;
    }
};

TEST(ChildWatchTest, child_that_is_stopped_before_it_executes_is_ended) {
    const auto account = PlainLauncher().account("").value();
    const Command command = make_command(start_of({"/bin/true"}), account).value();
    StoppingWalls walls;
    const OwnFd nothing = sys::open("/dev/null", O_RDWR).value();
    const auto child = start_child({.command = command,
                                    .enclosure = walls,
                                    .stdio = {nothing.get(), nothing.get(), nothing.get()},
                                    .patience = std::chrono::milliseconds(100)});
    ASSERT_TRUE(child) << child.error().message;
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child->pid), &ended, WEXITED), 0);
    EXPECT_EQ(ended.si_code, CLD_KILLED);
    EXPECT_EQ(ended.si_status, SIGKILL);
    StartReport report;
    EXPECT_EQ(report.read(child->report.get(), command), StartReport::State::kRefused);
    EXPECT_EQ(report.refusal().message, "start '/bin/true': killed before it was executed");
}

}  // namespace
}  // namespace anchorhold::exec::test
