// The kernel's freezer, in a group of the test's own. Needs root and a cgroup2 mount.
#include "guest-init/uniqueness/freezer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

class FreezerTest : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/anchorhold-cgroup-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        mount_point = path;
        ASSERT_EQ(::mount("cgroup2", path, "cgroup2", 0, nullptr), 0)
            << "these tests need root: " << errno_text(errno);
        group = mount_point + "/anchorhold-freezer-" + std::to_string(::getpid());
        ASSERT_EQ(::mkdir(group.c_str(), 0755), 0);
        directory = sys::open(group, O_RDONLY | O_DIRECTORY).value();
        freezer = CgroupFreezer::open(*loop, directory.get()).value();
    }
    void TearDown() override {
        if (child > 0) {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
        }
        freezer.reset();
        directory.reset();
        ::rmdir(group.c_str());
        ::umount2(mount_point.c_str(), MNT_DETACH);
        ::rmdir(mount_point.c_str());
    }
    // A process in the group that counts in the pipe.
    void start() {
        counter = sys::pipe(O_NONBLOCK).value();
        child = ::fork();
        if (child == 0) {
            for (;;) {
                [[maybe_unused]] const ssize_t written = ::write(counter.write_end.get(), "x", 1);
                ::usleep(1000);
            }
        }
        ASSERT_TRUE(sys::write_file(group + "/cgroup.procs", std::to_string(child)));
    }
    // Forgets what was counted so far; true once there is more.
    bool counts_on() {
        std::byte bytes[65536];
        while (sys::read_some(counter.read_end.get(), bytes).value()) {
        }
        const TimePoint deadline = loop->clock().now() + std::chrono::seconds(10);
        while (loop->clock().now() < deadline) {
            if (sys::read_some(counter.read_end.get(), bytes).value()) {
                return true;
            }
            ::usleep(1000);
        }
        return false;
    }
    void turn_until(const bool& condition) {
        const TimePoint deadline = loop->clock().now() + std::chrono::seconds(10);
        while (!condition && loop->clock().now() < deadline) {
            ASSERT_TRUE(loop->run_once(std::chrono::milliseconds(50)));
        }
        ASSERT_TRUE(condition);
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    std::string mount_point;
    std::string group;
    OwnFd directory;
    std::unique_ptr<CgroupFreezer> freezer;
    sys::Pipe counter;
    pid_t child = -1;
    bool frozen = false;
};

TEST_F(FreezerTest, empty_group_stands_still_at_once) {
    ASSERT_TRUE(freezer->freeze([this] { frozen = true; }));
    turn_until(frozen);
    EXPECT_TRUE(freezer->thaw());
}

TEST_F(FreezerTest, running_process_stands_still_until_thawed) {
    start();
    ASSERT_TRUE(counts_on());
    ASSERT_TRUE(freezer->freeze([this] { frozen = true; }));
    turn_until(frozen);
    std::byte bytes[65536];
    while (sys::read_some(counter.read_end.get(), bytes).value()) {
    }
    ::usleep(20'000);
    EXPECT_FALSE(sys::read_some(counter.read_end.get(), bytes).value());
    ASSERT_TRUE(freezer->thaw());
    EXPECT_TRUE(counts_on());
}

TEST_F(FreezerTest, second_freeze_is_told_too) {
    start();
    ASSERT_TRUE(freezer->freeze([this] { frozen = true; }));
    turn_until(frozen);
    bool again = false;
    ASSERT_TRUE(freezer->freeze([&again] { again = true; }));
    turn_until(again);
}

TEST_F(FreezerTest, signal_is_handled_before_the_next_instruction_after_thaw) {
    counter = sys::pipe(O_NONBLOCK).value();
    child = ::fork();
    if (child == 0) {
        static volatile sig_atomic_t signalled = 0;
        ::signal(SIGUSR1, [](int) { signalled = 1; });
        static int out = 0;
        out = counter.write_end.get();
        for (;;) {
            [[maybe_unused]] const ssize_t written = ::write(out, signalled ? "1" : "0", 1);
        }
    }
    ASSERT_TRUE(sys::write_file(group + "/cgroup.procs", std::to_string(child)));
    ASSERT_TRUE(counts_on());
    ASSERT_TRUE(freezer->freeze([this] { frozen = true; }));
    turn_until(frozen);
    std::byte bytes[65536];
    while (sys::read_some(counter.read_end.get(), bytes).value()) {
    }
    ASSERT_EQ(::kill(child, SIGUSR1), 0);
    ASSERT_TRUE(freezer->thaw());
    // At most one "0": the write that the freezer interrupted had its argument already.
    std::string counted;
    while (counted.size() < 100) {
        const auto got = sys::read_some(counter.read_end.get(), bytes).value();
        counted.append(reinterpret_cast<const char*>(bytes), got.value_or(0));
    }
    EXPECT_EQ(counted.find('0', 1), std::string::npos) << counted.substr(0, 100);
}

TEST_F(FreezerTest, process_born_into_the_frozen_group_stands_still) {
    ASSERT_TRUE(freezer->freeze([this] { frozen = true; }));
    turn_until(frozen);
    start();
    ASSERT_TRUE(freezer->thaw());
    EXPECT_TRUE(counts_on());
}

TEST_F(FreezerTest, group_without_a_freezer_is_an_error) {
    const OwnFd other = sys::open("/tmp", O_RDONLY | O_DIRECTORY).value();
    EXPECT_FALSE(CgroupFreezer::open(*loop, other.get()));
}

}  // namespace
}  // namespace anchorhold::guest_init
