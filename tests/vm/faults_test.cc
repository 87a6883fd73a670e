// A host in trouble: processes that stand still, no descriptors, no disk, a clock that jumps. What
// is promised stands in docs/threat-model.md, "When the host is in trouble".
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <sstream>

#include "base/sys.h"
#include "vm/service_rig.h"

namespace anchorhold::vm_test {
namespace {

class Faults : public ServiceTest {
  protected:
    pid_t vmm(const std::string& name) {
        return nlohmann::json::parse(out({"inspect", name, "--json"})).at("pid").get<pid_t>();
    }
    // A child of the service's.
    pid_t child_called(const std::string& name) {
        const std::string pid = std::to_string(serve_->pid());
        std::istringstream children(
            sys::read_file("/proc/" + pid + "/task/" + pid + "/children").value_or(""));
        for (pid_t child = 0; children >> child;) {
            const auto comm = sys::read_file("/proc/" + std::to_string(child) + "/comm");
            if (comm && comm->starts_with(name)) {
                return child;
            }
        }
        return -1;
    }
};

// A process that stands still for as long as this lives.
class Stopped {
  public:
    explicit Stopped(pid_t pid) : pid_(pid) {
        EXPECT_GT(pid, 1);
        EXPECT_EQ(::kill(pid_, SIGSTOP), 0);
    }
    ~Stopped() { ::kill(pid_, SIGCONT); }
    Stopped(const Stopped&) = delete;
    Stopped& operator=(const Stopped&) = delete;

  private:
    pid_t pid_;
};

TEST_F(Faults, vmm_that_stands_still_holds_up_nobody_else_and_goes_on_where_it_was) {
    create("stopped");
    create("other");
    in("stopped", "echo here > /dev/shm/word");
    {
        const Stopped still(vmm("stopped"));
        EXPECT_EQ(in("other", "echo answers"), "answers");
        EXPECT_NE(out({"ps"}).find("stopped"), std::string::npos);
    }
    EXPECT_EQ(in("stopped", "cat /dev/shm/word"), "here");
}

TEST_F(Faults, vmm_that_stands_still_can_be_removed) {
    create("stopped");
    const pid_t pid = vmm("stopped");
    {
        const Stopped still(pid);
        out({"rm", "-f", "stopped"});
        EXPECT_EQ(out({"ps"}).find("stopped"), std::string::npos);
    }
    EXPECT_FALSE(std::filesystem::exists(state() + "/sandboxes/stopped"));
}

TEST_F(Faults, supervisor_that_stands_still_goes_on_with_whoever_waited) {
    create("amber");
    Invocation invocation{.arguments = {"exec", "amber", "--", "echo", "late"},
                          .input = {},
                          .environment = environment()};
    std::unique_ptr<Running> waiting;
    {
        const Stopped still(serve_->pid());
        waiting = std::make_unique<Running>(invocation);
    }
    EXPECT_EQ(waiting->wait(), 0) << waiting->output();
    EXPECT_NE(waiting->output().find("late"), std::string::npos) << waiting->output();
}

TEST_F(Faults, keeper_that_stands_still_holds_up_nobody) {
    create("first");
    {
        const Stopped still(child_called("anchorhold-keep"));
        create("second");
        EXPECT_EQ(in("second", "echo answers"), "answers");
        out({"rm", "-f", "first"});
    }
    kill_and_serve_again();
    EXPECT_EQ(in("second", "echo answers"), "answers") << "the keeper lost it";
}

TEST_F(Faults, service_without_descriptors_refuses_the_next_and_keeps_the_first) {
    create("first");
    const auto count = [this] {
        const std::filesystem::directory_iterator all("/proc/" + std::to_string(serve_->pid()) +
                                                      "/fd");
        return static_cast<rlim_t>(std::distance(begin(all), end(all)));
    };
    rlimit before{};
    ASSERT_EQ(::prlimit(serve_->pid(), RLIMIT_NOFILE, nullptr, &before), 0);
    // Enough for a request and its command, not for what a VMM is started with.
    const rlimit few{count() + 6, before.rlim_max};
    ASSERT_EQ(::prlimit(serve_->pid(), RLIMIT_NOFILE, &few, nullptr), 0);
    const Completed refused = call({"create", "second", "--image", "tiny", "--memory", "128M"});
    EXPECT_NE(refused.status, 0);
    EXPECT_NE(refused.err.find("Too many open files"), std::string::npos) << refused.err;
    EXPECT_EQ(in("first", "echo answers"), "answers");
    ASSERT_EQ(::prlimit(serve_->pid(), RLIMIT_NOFILE, &before, nullptr), 0);
    create("second");
    EXPECT_EQ(in("second", "echo answers"), "answers");
}

TEST_F(Faults, wall_clock_that_jumps_moves_nothing_else) {
    create("amber");
    timespec began{};
    timespec began_steady{};
    ASSERT_EQ(::clock_gettime(CLOCK_REALTIME, &began), 0);
    ASSERT_EQ(::clock_gettime(CLOCK_MONOTONIC, &began_steady), 0);
    for (const int days : {1, -2}) {
        timespec moved{};
        ASSERT_EQ(::clock_gettime(CLOCK_REALTIME, &moved), 0);
        moved.tv_sec += days * 86400;
        ASSERT_EQ(::clock_settime(CLOCK_REALTIME, &moved), 0);
        EXPECT_EQ(in("amber", "echo answers"), "answers") << days;
        create(fmt::format("after-{}", days + 2));
        EXPECT_EQ(in(fmt::format("after-{}", days + 2), "echo answers"), "answers") << days;
    }
    timespec now{};
    ASSERT_EQ(::clock_gettime(CLOCK_MONOTONIC, &now), 0);
    began.tv_sec += now.tv_sec - began_steady.tv_sec;
    EXPECT_EQ(::clock_settime(CLOCK_REALTIME, &began), 0);
    EXPECT_EQ(in("amber", "echo answers"), "answers");
}

class FullDisk : public Faults {
  protected:
    void SetUp() override {
        disk_ = private_folder() + "/small";
        std::filesystem::create_directory(disk_);
        ASSERT_EQ(::mount("none", disk_.c_str(), "tmpfs", 0, "size=16m,mode=700"), 0);
        folder_ = disk_;
        serve();
    }
    void TearDown() override {
        stop();
        ::umount2(disk_.c_str(), MNT_DETACH);
        std::filesystem::remove(disk_);
    }
    std::string disk_;
};

TEST_F(FullDisk, service_refuses_what_it_cannot_write_and_goes_on_when_there_is_room) {
    create("first");
    in("first", "echo kept > file; sync");
    const std::string filler = disk_ + "/filler";
    {
        const auto file = sys::open(filler, O_WRONLY | O_CREAT, 0600);
        ASSERT_TRUE(file);
        const std::string block(4096, 'x');
        while (sys::write_all(file->get(), std::as_bytes(std::span(block)))) {
        }
    }
    const Completed refused = call({"create", "second", "--image", "tiny", "--memory", "128M"});
    EXPECT_NE(refused.status, 0);
    EXPECT_NE(refused.err.find("No space left on device"), std::string::npos) << refused.err;
    EXPECT_EQ(out({"ps"}).find("second"), std::string::npos) << "it is half there";
    const Completed asleep = call({"hibernate", "first"});
    EXPECT_NE(asleep.status, 0);
    EXPECT_NE(asleep.err.find("No space left on device"), std::string::npos) << asleep.err;
    EXPECT_EQ(in("first", "cat file"), "kept") << "what could not be put away does not go on";
    std::filesystem::remove(filler);
    create("second");
    EXPECT_EQ(in("second", "echo answers"), "answers");
}

}  // namespace
}  // namespace anchorhold::vm_test
