// `anchorhold serve` with real sandboxes: names, forks, hibernation, pools, and a supervisor that
// is killed.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>

#include "base/sys.h"
#include "vm/anchorhold.h"
#include "vm/service_rig.h"

namespace anchorhold::vm_test {
namespace {

// A process in the guest that counts and lives in memory only.
constexpr const char* kCounter =
    "(i=0; while :; do i=$((i+1)); echo $i > /dev/shm/count; sleep 0.1; done) > /dev/null 2>&1 &";

TEST_F(ServiceTest, named_sandbox_keeps_its_disk_over_stop_and_start) {
    create("amber");
    in("amber", "echo kept > file");
    out({"stop", "amber"});
    EXPECT_NE(call({"exec", "amber", "--", "true"}).status, 0);
    out({"start", "amber"});
    EXPECT_EQ(in("amber", "cat file"), "kept");
    out({"rm", "-f", "amber"});
    EXPECT_FALSE(std::filesystem::exists(state() + "/sandboxes/amber"));
}

TEST_F(ServiceTest, forks_go_on_where_the_source_was_and_share_nothing_from_then_on) {
    create("tree");
    in("tree", std::string("echo before > file; echo secret > /dev/shm/word; ") + kCounter);
    EXPECT_EQ(out({"fork", "tree", "--count", "3"}), "tree-1\ntree-2\ntree-3");
    std::set<std::string> identities;
    for (const std::string name : {"tree", "tree-1", "tree-2", "tree-3"}) {
        EXPECT_EQ(in(name, "cat file /dev/shm/word"), "before\nsecret") << name;
        in(name, "echo " + name + " > file");
        identities.insert(in(name, "cat /etc/machine-id"));
        identities.insert(in(name, "cat /proc/sys/kernel/random/boot_id"));
        identities.insert(in(name, "cat /proc/sys/kernel/random/uuid"));
        // The process that counted counts on.
        EXPECT_EQ(
            in(name,
               "a=$(cat /dev/shm/count); until [ \"$(cat /dev/shm/count)\" -gt $((a+2)) ]; do "
               "sleep 0.1; done; echo on"),
            "on")
            << name;
    }
    EXPECT_EQ(identities.size(), 12U);
    for (const std::string name : {"tree", "tree-1", "tree-2", "tree-3"}) {
        EXPECT_EQ(in(name, "cat file"), name);
    }
}

TEST_F(ServiceTest, fork_of_a_fork_works) {
    create("a");
    in("a", "echo one > /dev/shm/word");
    out({"fork", "a", "--count", "1"});
    in("a-1", "echo two >> /dev/shm/word");
    out({"fork", "a-1", "--count", "1"});
    EXPECT_EQ(in("a-1-1", "cat /dev/shm/word"), "one\ntwo");
}

TEST_F(ServiceTest, paused_sandbox_stands_still_until_it_is_resumed) {
    create("still");
    in("still", kCounter);
    out({"pause", "still"});
    EXPECT_NE(out({"ps"}).find("paused"), std::string::npos);
    out({"resume", "still"});
    EXPECT_EQ(in("still",
                 "a=$(cat /dev/shm/count); until [ \"$(cat /dev/shm/count)\" != \"$a\" ]; do sleep "
                 "0.1; done; echo on"),
              "on");
}

TEST_F(ServiceTest, hibernated_sandbox_comes_back_with_the_next_command_and_is_another_boot) {
    create("bear");
    in("bear",
       std::string("echo word-in-memory > /dev/shm/word; echo on-disk > file; ") + kCounter);
    const std::string boot = in("bear", "cat /proc/sys/kernel/random/boot_id");
    out({"hibernate", "bear"});
    EXPECT_NE(out({"ps"}).find("hibernated"), std::string::npos);
    EXPECT_EQ(in("bear", "cat /dev/shm/word file"), "word-in-memory\non-disk");
    EXPECT_NE(in("bear", "cat /proc/sys/kernel/random/boot_id"), boot);
    EXPECT_EQ(in("bear",
                 "a=$(cat /dev/shm/count); until [ \"$(cat /dev/shm/count)\" != \"$a\" ]; do sleep "
                 "0.1; done; echo on"),
              "on");
}

TEST_F(ServiceTest, hibernation_survives_the_supervisor_and_is_encrypted) {
    create("bear");
    in("bear",
       "w=needle; for i in 1 2 3 4 5 6 7 8; do w=$w-haystack-$w; done; echo $w > /dev/shm/word; "
       "wc -c < /dev/shm/word");
    out({"hibernate", "bear"});
    bool found = false;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(state() + "/sandboxes/bear")) {
        if (entry.is_regular_file() && entry.path().filename().string().ends_with(".sealed")) {
            found = true;
            const auto text = sys::read_file(entry.path(), size_t{256} << 20);
            ASSERT_TRUE(text) << text.error().message;
            EXPECT_EQ(text->find("needle-haystack"), std::string::npos) << entry.path();
        }
    }
    EXPECT_TRUE(found);
    kill_and_serve_again();
    EXPECT_NE(in("bear", "head -c 15 /dev/shm/word").find("needle-haystack"), std::string::npos);
}

TEST_F(ServiceTest, damaged_hibernation_file_is_refused_and_named) {
    create("bear");
    out({"hibernate", "bear"});
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(state() + "/sandboxes/bear")) {
        if (entry.path().filename() == "memory.sealed") {
            auto text = sys::read_file(entry.path(), size_t{256} << 20);
            ASSERT_TRUE(text);
            (*text)[text->size() / 2] = static_cast<char>((*text)[text->size() / 2] ^ 1);
            ASSERT_TRUE(sys::write_file(entry.path(), *text));
        }
    }
    const Completed resumed = call({"resume", "bear"});
    EXPECT_NE(resumed.status, 0);
    EXPECT_FALSE(resumed.err.empty());
    EXPECT_NE(out({"ps"}).find("hibernated"), std::string::npos);
}

TEST_F(ServiceTest, killed_supervisor_finds_its_sandboxes_as_they_were) {
    create("oak");
    in("oak", std::string("echo alive > /dev/shm/word; ") + kCounter);
    kill_and_serve_again();
    EXPECT_EQ(in("oak", "cat /dev/shm/word"), "alive");
    EXPECT_EQ(out({"fork", "oak", "--count", "1"}), "oak-1");
    EXPECT_EQ(in("oak-1", "cat /dev/shm/word"), "alive");
}

TEST_F(ServiceTest, pool_serves_parked_guests_and_falls_back_when_it_is_empty) {
    make_template();
    const Completed before = call({"run", "--json", "--from", "t", "--", "printf", "x"});
    EXPECT_EQ(before.status, 0) << before.err;
    EXPECT_NE(before.err.find("\"start\":\"restore\""), std::string::npos) << before.err;
    out({"pool", "set", "t", "--parked", "1", "--shells", "1"});
    wait_for_pool("1/1       1/1");
    const Completed parked = call({"run", "--json", "--from", "t", "--", "printf", "x"});
    EXPECT_EQ(parked.out, "x");
    EXPECT_NE(parked.err.find("\"start\":\"parked\""), std::string::npos) << parked.err;
    out({"pool", "set", "t", "--parked", "0", "--shells", "0"});
}

// Seconds that leap are paid for by the command that comes first; hours would wake every watchdog.
TEST_F(ServiceTest, forks_become_the_shells_that_wait_and_are_as_other_forks) {
    make_template();
    out({"create", "tree", "--from", "t"});
    in("tree", "echo before > file; echo in-memory > /dev/shm/word");
    out({"pool", "set", "t", "--parked", "0", "--shells", "2"});
    wait_for_pool("2/2");
    EXPECT_EQ(out({"fork", "tree", "--count", "3"}), "tree-1\ntree-2\ntree-3");
    std::set<std::string> identities;
    for (const std::string name : {"tree-1", "tree-2", "tree-3"}) {
        const std::string view = out({"inspect", name, "--json"});
        EXPECT_NE(view.find(name == "tree-3" ? "\"restore\"" : "\"shell\""), std::string::npos)
            << view;
        EXPECT_EQ(in(name, "cat file /dev/shm/word"), "before\nin-memory") << name;
        identities.insert(in(name, "cat /proc/sys/kernel/random/boot_id"));
    }
    EXPECT_EQ(identities.size(), 3U);
    out({"pool", "set", "t", "--parked", "0", "--shells", "0"});
}

TEST_F(ServiceTest, time_does_not_pass_for_a_parked_guest_and_its_wall_clock_is_right) {
    using Clock = std::chrono::steady_clock;
    make_template();
    const auto clocks = [this](Clock::duration& took) {
        const auto began = Clock::now();
        const std::string text =
            out({"run", "--from", "t", "--", "sh", "-c", "cat /proc/uptime; date +%s"});
        took = Clock::now() - began;
        double uptime = 0;
        long long wall = 0;
        EXPECT_EQ(std::sscanf(text.c_str(), "%lf %*f\n%lld", &uptime, &wall), 2) << text;
        EXPECT_NEAR(static_cast<double>(wall), static_cast<double>(::time(nullptr)),
                    std::chrono::duration<double>(took).count() + 2);
        return std::chrono::duration<double>(uptime);
    };
    Clock::duration restored_took{};
    const auto restored = clocks(restored_took);
    out({"pool", "set", "t", "--parked", "1"});
    wait_for_pool("1/1");
    // Long against what a run takes here, since that much does pass for either guest.
    const Clock::duration still = 2 * restored_took + std::chrono::seconds(4);
    const auto stands_since = Clock::now();
    while (Clock::now() - stands_since < still) {
        EXPECT_NE(out({"pool", "ls"}).find("1/1"), std::string::npos);
    }
    Clock::duration parked_took{};
    const auto parked = clocks(parked_took);
    EXPECT_LT(parked, restored + (still - restored_took));
}

// Its pager is kept with it: memory that nobody has touched yet is there after the service's death.
TEST_F(ServiceTest, guest_of_a_compressed_template_outlives_the_supervisor) {
    out({"template", "create", "t", "--quiet", "--compress", "--memory", "128M", "--warm",
         "head -c 1048576 /dev/urandom > $HOME/noise; sha256sum $HOME/noise > $HOME/sum", "--probe",
         "true"});
    const Completed ran = call({"run", "--json", "--from", "t", "--", "printf", "x"});
    EXPECT_EQ(ran.out, "x");
    EXPECT_NE(ran.err.find("\"memory_backend\":\"userfaultfd\""), std::string::npos) << ran.err;
    out({"create", "pine", "--from", "t"});
    in("pine", "echo alive > /dev/shm/word");
    kill_and_serve_again();
    EXPECT_EQ(in("pine", "cat /dev/shm/word; sha256sum -c sum"), "alive\n/home/agent/noise: OK");
    // What is made of its memory from now on is a file's.
    EXPECT_EQ(out({"fork", "pine", "--count", "1"}), "pine-1");
    EXPECT_EQ(in("pine-1", "cat /dev/shm/word; sha256sum -c sum"), "alive\n/home/agent/noise: OK");
    out({"hibernate", "pine"});
    EXPECT_EQ(in("pine", "cat /dev/shm/word; sha256sum -c sum"), "alive\n/home/agent/noise: OK");
}

TEST_F(ServiceTest, parked_guest_of_a_compressed_template_is_claimed) {
    out({"template", "create", "t", "--quiet", "--compress", "--memory", "128M"});
    out({"pool", "set", "t", "--parked", "1"});
    wait_for_pool("1/1");
    const Completed mapped = call({"create", "ash", "--from", "t", "--memory-backend", "file"});
    EXPECT_NE(mapped.err.find("anchorhold template expand"), std::string::npos) << mapped.err;
    const Completed parked = call({"run", "--json", "--from", "t", "--", "printf", "x"});
    EXPECT_EQ(parked.out, "x") << parked.err;
    EXPECT_NE(parked.err.find("\"start\":\"parked\""), std::string::npos) << parked.err;
    EXPECT_NE(parked.err.find("\"memory_backend\":\"userfaultfd\""), std::string::npos)
        << parked.err;
}

TEST_F(ServiceTest, sandboxes_of_one_template_are_each_their_own) {
    make_template();
    for (const char* name : {"x", "y"}) {
        out({"create", name, "--from", "t"});
        in(name, std::string("echo ") + name + " > file");
    }
    EXPECT_EQ(in("x", "cat file"), "x");
    EXPECT_EQ(in("y", "cat file"), "y");
    EXPECT_EQ(in("x", "hostname"), "x");
    EXPECT_NE(in("x", "cat /etc/machine-id"), in("y", "cat /etc/machine-id"));
}

}  // namespace
}  // namespace anchorhold::vm_test
