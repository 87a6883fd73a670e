// Children on this host: what they inherit, how they end, and what a failed start says.
#include "base/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <thread>

#include "base/sys.h"

namespace anchorhold {
namespace {

std::string inode_of(int fd) {
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0);
    return std::to_string(status.st_ino);
}

bool is_readable(int fd) {
    pollfd entry{fd, POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
}

class SpawnTest : public testing::Test {
  protected:
    SpawnRequest probe(std::vector<std::string> arguments) {
        SpawnRequest request;
        request.path = SPAWN_PROBE;
        request.arguments = std::move(arguments);
        request.arguments.insert(request.arguments.begin(), "probe");
        request.descriptors = {{output.write_end.get(), 1}};
        return request;
    }

    // All that the child wrote; it must hold the only other write end.
    std::string read_output() {
        output.write_end.reset();
        std::string text;
        std::array<std::byte, 4096> buffer{};
        for (;;) {
            const size_t count = sys::read_some(output.read_end.get(), buffer).value().value();
            if (count == 0) {
                return text;
            }
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
        }
    }

    std::string say(const SpawnRequest& request) {
        auto child = spawn(request);
        EXPECT_TRUE(child) << child.error().message;
        std::string text = read_output();
        EXPECT_EQ(child->wait().value().code, 0);
        return text;
    }

    // Starts the probe with these descriptors and expects its table to be exactly that.
    void expect_table(std::vector<std::pair<int, int>> descriptors) {
        std::map<int, std::string> expected;
        for (const auto& [ours, theirs] : descriptors) {
            expected[theirs] = inode_of(ours);
        }
        SpawnRequest request = probe({"descriptors"});
        request.descriptors = std::move(descriptors);
        std::istringstream words(say(request));
        std::map<int, std::string> found;
        for (std::string word; words >> word;) {
            const size_t equals = word.find('=');
            found[std::stoi(word.substr(0, equals))] = word.substr(equals + 1);
        }
        EXPECT_EQ(found, expected);
    }

    sys::Pipe output = sys::pipe().value();
};

TEST_F(SpawnTest, child_has_exactly_the_descriptors_asked_for) {
    const OwnFd file = sys::memfd("file", 1).value();
    const OwnFd inheritable(
        ::open("/dev/null", O_RDONLY));  // NOLINT: deliberately without O_CLOEXEC
    expect_table({{output.write_end.get(), 1}, {file.get(), 7}});
}

TEST_F(SpawnTest, one_descriptor_under_several_numbers_is_given_under_each) {
    const OwnFd file = sys::memfd("file", 1).value();
    expect_table({{output.write_end.get(), 1}, {file.get(), 0}, {file.get(), 3}, {file.get(), 20}});
}

TEST_F(SpawnTest, descriptor_already_at_its_number_loses_close_on_exec) {
    const OwnFd file = sys::memfd("file", 1).value();
    expect_table({{output.write_end.get(), 1}, {file.get(), file.get()}});
}

TEST_F(SpawnTest, swapped_numbers_are_swapped) {
    const OwnFd a = sys::memfd("a", 1).value();
    const OwnFd b = sys::memfd("b", 1).value();
    expect_table({{output.write_end.get(), 1}, {a.get(), b.get()}, {b.get(), a.get()}});
}

TEST_F(SpawnTest, rotated_numbers_that_include_the_output_are_rotated) {
    const OwnFd a = sys::memfd("a", 1).value();
    const OwnFd b = sys::memfd("b", 1).value();
    expect_table({{a.get(), 0},
                  {output.write_end.get(), 1},
                  {b.get(), a.get()},
                  {output.write_end.get(), b.get()},
                  {a.get(), output.write_end.get()}});
}

// Targets that cover the numbers of the report pipe and everything near: a failed exec must still
// be told.
TEST_F(SpawnTest, failure_is_reported_when_targets_cover_every_low_number) {
    const OwnFd file = sys::memfd("file", 1).value();
    SpawnRequest request = probe({});
    request.path = "/nonexistent";
    for (int target = 0; target < 64; ++target) {
        request.descriptors.emplace_back(file.get(), target);
    }
    const auto child = spawn(request);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().message, "execute /nonexistent: No such file or directory");
}

TEST_F(SpawnTest, child_that_is_alone_is_the_first_of_its_namespace_and_can_go_to_jail) {
    SpawnRequest request = probe({"jail"});
    request.alone = true;
    auto child = spawn(request);
    ASSERT_TRUE(child) << child.error().message;
    const std::string number = std::to_string(child->pid());
    EXPECT_NE(number, "1");
    const std::string said = read_output();
    EXPECT_EQ(child->wait().value().code, 0);
    // Where this host allows no namespaces it is an ordinary child.
    EXPECT_TRUE(said == "1 apart" || said == number + " beside") << said;
}

TEST_F(SpawnTest, programs_that_cannot_run_are_errors_naming_them) {
    std::string folder = testing::TempDir() + "spawn-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    ASSERT_TRUE(sys::write_file(folder + "/data", "not a program"));
    ASSERT_TRUE(sys::write_file(folder + "/text", "no interpreter line"));
    ASSERT_EQ(::chmod((folder + "/text").c_str(), 0755), 0);
    const struct {
        std::string path, reason;
        int code;
    } cases[] = {
        {folder + "/missing", "No such file or directory", ENOENT},
        {folder + "/data", "Permission denied", EACCES},
        {folder, "Permission denied", EACCES},
        {folder + "/text", "Exec format error", ENOEXEC},
        {"", "No such file or directory", ENOENT},
    };
    for (const auto& test : cases) {
        SpawnRequest request = probe({});
        request.path = test.path;
        const auto child = spawn(request);
        ASSERT_FALSE(child) << test.path;
        EXPECT_EQ(child.error().message,
                  "execute" + (test.path.empty() ? "" : " " + test.path) + ": " + test.reason);
        EXPECT_EQ(child.error().code, test.code);
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child that failed to start was not reaped";
    EXPECT_EQ(errno, ECHILD);
    std::filesystem::remove_all(folder);
}

TEST_F(SpawnTest, descriptor_that_is_not_open_is_an_error) {
    SpawnRequest request = probe({"exit", "0"});
    request.descriptors.emplace_back(3999, 5);
    const auto child = spawn(request);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code, EBADF);
}

TEST_F(SpawnTest, executable_that_is_not_open_is_an_error_and_path_is_not_run_instead) {
    SpawnRequest request = probe({"exit", "0"});
    request.executable = 3999;
    const auto child = spawn(request);
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code, EBADF);
}

TEST_F(SpawnTest, start_without_free_descriptors_for_the_child_is_an_error) {
    rlimit found{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &found), 0);
    SpawnRequest request = probe({"exit", "0"});
    // The child moves descriptors out of the way of target 30, and no number above it may be had.
    request.descriptors = {{output.write_end.get(), 30}};
    const rlimit tight{31, found.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    const auto child = spawn(request);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &found), 0);
    EXPECT_FALSE(child);
}

TEST_F(SpawnTest, open_executable_runs_whatever_path_says) {
    const OwnFd program = sys::open(SPAWN_PROBE, O_RDONLY).value();
    SpawnRequest request = probe({"arguments"});
    request.executable = program.get();
    request.path = "only for errors";
    EXPECT_EQ(say(request), "probe\narguments\n");
}

TEST_F(SpawnTest, arguments_and_environment_are_the_ones_given_and_no_others) {
    ASSERT_EQ(::setenv("SPAWN_TEST_LEAK", "1", 1), 0);
    SpawnRequest request = probe({"arguments", "", "two words"});
    request.environment = {"A=1", "EMPTY="};
    EXPECT_EQ(say(request), "probe\narguments\n\ntwo words\nenv A=1\nenv EMPTY=\n");
}

TEST_F(SpawnTest, child_starts_with_no_signal_blocked_or_ignored) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ASSERT_EQ(::sigprocmask(SIG_BLOCK, &all, &before), 0);
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    const std::string text = say(probe({"signals"}));
    ASSERT_EQ(::sigprocmask(SIG_SETMASK, &before, nullptr), 0);
    EXPECT_EQ(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(SpawnTest, new_session_is_made_only_when_asked_for) {
    EXPECT_EQ(say(probe({"session"})), "inherited");
    output = sys::pipe().value();
    SpawnRequest request = probe({"session"});
    request.new_session = true;
    EXPECT_EQ(say(request), "own");
}

TEST_F(SpawnTest, end_is_reported_as_code_or_signal) {
    const struct {
        std::vector<std::string> wish;
        int code, signal;
    } cases[] = {
        {{"exit", "0"}, 0, 0},
        {{"exit", "7"}, 7, 0},
        {{"exit", "255"}, 255, 0},
        {{"kill", std::to_string(SIGKILL)}, 0, SIGKILL},
        {{"kill", std::to_string(SIGTERM)}, 0, SIGTERM},
        {{"kill", std::to_string(SIGUSR1)}, 0, SIGUSR1},
    };
    for (const auto& test : cases) {
        auto child = spawn(probe(test.wish)).value();
        EXPECT_TRUE(child.running());
        const ExitStatus status = child.wait().value();
        EXPECT_EQ(status.code, test.code);
        EXPECT_EQ(status.signal, test.signal);
        EXPECT_FALSE(child.running());
        EXPECT_TRUE(child.signal(SIGTERM).error().code == ESRCH);
    }
}

TEST_F(SpawnTest, pidfd_becomes_readable_when_the_child_ends) {
    auto child = spawn(probe({"stay"})).value();
    std::array<std::byte, 4> here{};
    ASSERT_EQ(sys::read_some(output.read_end.get(), here).value(), 4U);
    EXPECT_FALSE(is_readable(child.pidfd()));
    ASSERT_TRUE(child.signal(SIGTERM));
    pollfd entry{child.pidfd(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 20'000), 1);
    EXPECT_EQ(child.wait().value().signal, SIGTERM);
}

TEST_F(SpawnTest, destructor_kills_and_reaps) {
    pid_t pid = -1;
    {
        const auto child = spawn(probe({"stay"})).value();
        pid = child.pid();
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(SpawnTest, child_with_parent_death_signal_ends_with_the_thread_that_spawned_it) {
    SpawnRequest request = probe({"stay"});
    request.parent_death_signal = SIGUSR2;
    Child child;
    std::thread([&] {
        child = spawn(request).value();
        std::array<std::byte, 4> here{};
        EXPECT_EQ(sys::read_some(output.read_end.get(), here).value(), 4U);
    }).join();
    EXPECT_EQ(child.wait().value().signal, SIGUSR2);
}

TEST_F(SpawnTest, moved_child_has_one_owner) {
    auto source = spawn(probe({"stay"})).value();
    const pid_t pid = source.pid();
    Child target(std::move(source));
    EXPECT_FALSE(source.running());  // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(target.pid(), pid);
    target = Child();
    EXPECT_FALSE(target.running());
    EXPECT_EQ(::kill(pid, 0), -1) << "assignment ends the child that was held";
}

}  // namespace
}  // namespace anchorhold
