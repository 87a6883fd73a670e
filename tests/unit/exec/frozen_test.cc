// Commands that are started while their cgroup is frozen. Needs root and a cgroup2 mount.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "exec_rig.h"
#include "proto/frame.h"

namespace anchorhold::exec::test {
namespace {

class GroupEnclosure final : public Enclosure {
  public:
    explicit GroupEnclosure(int group) : group_(group) {}
    [[nodiscard]] int cgroup() const override { return group_; }
    [[nodiscard]] const char* enter() noexcept override { return nullptr; }

  private:
    int group_;
};

class GroupLauncher final : public Launcher {
  public:
    [[nodiscard]] Result<Account> account(std::string_view user) override {
        return PlainLauncher().account(user);
    }
    [[nodiscard]] Result<std::unique_ptr<Enclosure>> enclose(const Account& /*account*/) override {
        return std::make_unique<GroupEnclosure>(group.get());
    }
    OwnFd group;
};

class FrozenTest : public ExecTest {
  protected:
    void SetUp() override {
        char path[] = "/tmp/anchorhold-cgroup-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        mount_point = path;
        ASSERT_EQ(::mount("cgroup2", path, "cgroup2", 0, nullptr), 0)
            << "these tests need root: " << errno_text(errno);
        group = mount_point + "/anchorhold-exec-" + std::to_string(::getpid());
        ASSERT_EQ(::mkdir(group.c_str(), 0755), 0);
        grouped.group = sys::open(group, O_RDONLY | O_DIRECTORY).value();
        freeze("1");
    }
    void TearDown() override {
        ASSERT_TRUE(sys::write_file(group + "/cgroup.kill", "1"));
        run_until(*loop, [this] { return ::rmdir(group.c_str()) == 0; });
        ::umount2(mount_point.c_str(), MNT_DETACH);
        ::rmdir(mount_point.c_str());
    }
    void freeze(const char* state) {
        ASSERT_TRUE(sys::write_file(group + "/cgroup.freeze", state));
    }
    void turn(int times) {
        for (int i = 0; i < times; ++i) {
            ASSERT_TRUE(loop->run_once(std::chrono::milliseconds(10)));
        }
    }

    std::string mount_point;
    std::string group;
    GroupLauncher grouped;
    ExecServer frozen{*loop, grouped, {.hang_up_grace = std::chrono::milliseconds(50)}};
};

TEST_F(FrozenTest, command_stands_still_until_the_thaw_and_then_runs) {
    RemoteRun run(*loop, frozen, shell("cat; exit 7"), "input");
    turn(20);
    EXPECT_FALSE(run.started);
    EXPECT_FALSE(run.outcome);
    freeze("0");
    run.end_input();
    run.finish();
    EXPECT_TRUE(run.started);
    EXPECT_EQ(run.out, "input");
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->code, 7);
}

TEST_F(FrozenTest, command_that_cannot_be_run_is_refused_after_the_thaw) {
    RemoteRun run(*loop, frozen, start_of({"/no/such/program"}));
    turn(20);
    EXPECT_FALSE(run.outcome);
    freeze("0");
    run.finish();
    ASSERT_NE(refused(run), nullptr);
    EXPECT_EQ(refused(run)->reason, proto::ExecRefused::NOT_FOUND);
}

TEST_F(FrozenTest, signals_sent_meanwhile_arrive_after_the_thaw) {
    RemoteRun run(*loop, frozen, shell("sleep 100"));
    turn(5);
    run.client->signal(SIGTERM);
    turn(10);
    EXPECT_FALSE(run.outcome);
    freeze("0");
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->signal, SIGTERM);
}

TEST_F(FrozenTest, client_that_leaves_ends_its_command_also_while_frozen) {
    auto [near, far] = sys::socket_pair(SOCK_STREAM).value();
    frozen.serve(std::move(far));
    proto::ExecClientFrame frame;
    *frame.mutable_start() = shell("sleep 100");
    std::string bytes;
    proto::append_frame(bytes, frame);
    ASSERT_TRUE(sys::write_all(near.get(), bytes));
    const auto members = [this] { return sys::read_file(group + "/cgroup.procs").value(); };
    run_until(*loop, [&] { return !members().empty(); });
    // Not closed: the command, which has executed nothing, holds the descriptor too.
    ::shutdown(near.get(), SHUT_RDWR);
    run_until(*loop, [&] { return members().empty(); });
}

TEST_F(FrozenTest, several_commands_start_together_at_the_thaw) {
    RemoteRun one(*loop, frozen, shell("echo one"));
    RemoteRun two(*loop, frozen, shell("echo two"));
    turn(5);
    freeze("0");
    one.finish();
    two.finish();
    EXPECT_EQ(one.out + two.out, "one\ntwo\n");
}

}  // namespace
}  // namespace anchorhold::exec::test
