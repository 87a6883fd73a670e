// The folder of registrations, with everything in it that an agent could think of. Needs root, for
// files of other users.
#include "guest-init/uniqueness/resume_hooks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr uid_t kAgent = 1000;

constexpr uint64_t bit(int number) {
    return uint64_t{1} << (number - 1);
}

// Processes that exist only here; nothing real is signalled.
class FakeProcesses final : public Processes {
  public:
    [[nodiscard]] std::optional<OwnFd> open(pid_t pid) override {
        opened_ = pid;
        return alive.contains(pid) ? std::optional(sys::event_fd().value()) : std::nullopt;
    }
    [[nodiscard]] std::optional<Facts> look_at_agent(pid_t pid) override {
        const auto found = alive.find(pid);
        return found == alive.end() ? std::nullopt : found->second;
    }
    Status signal(const OwnFd& process, int number) override {
        EXPECT_TRUE(process.valid());
        signalled.emplace_back(opened_, number);
        return failure == 0 ? Status{} : Status(fail_errno(failure, "pidfd_send_signal"));
    }

    std::map<pid_t, std::optional<Facts>> alive;  // no facts: not of the agent's
    std::vector<std::pair<pid_t, int>> signalled;
    int failure = 0;

  private:
    pid_t opened_ = 0;
};

class ResumeHooksTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::geteuid(), 0U) << "these tests need root";
        char path[] = "/tmp/anchorhold-hooks-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        folder = path;
        for (const pid_t pid : {100, 101}) {
            processes.alive[pid] = {.uid = kAgent,
                                    .handled = bit(SIGHUP) | bit(SIGUSR1) | bit(SIGUSR2) | bit(40)};
        }
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    void add(const std::string& name, const std::string& text, uid_t owner = kAgent) {
        const std::string path = folder + "/" + name;
        ASSERT_TRUE(sys::write_file(path, text));
        ASSERT_EQ(::chown(path.c_str(), owner, owner), 0);
    }
    Status signal_all() {
        ResumeHooks hooks(sys::open(folder, O_RDONLY | O_DIRECTORY).value(), processes);
        return hooks.signal_all();
    }
    [[nodiscard]] bool exists(const std::string& name) const {
        struct stat status {};
        return ::lstat((folder + "/" + name).c_str(), &status) == 0;
    }

    std::string folder;
    FakeProcesses processes;
    using Signals = std::vector<std::pair<pid_t, int>>;
};

TEST_F(ResumeHooksTest, registered_processes_get_their_signals) {
    add("100", "10\n");
    add("101", "40");
    ASSERT_TRUE(signal_all());
    std::sort(processes.signalled.begin(), processes.signalled.end());
    EXPECT_EQ(processes.signalled, (Signals{{100, SIGUSR1}, {101, 40}}));
    EXPECT_TRUE(exists("100"));
}

TEST_F(ResumeHooksTest, second_pass_reads_the_folder_anew) {
    ResumeHooks hooks(sys::open(folder, O_RDONLY | O_DIRECTORY).value(), processes);
    ASSERT_TRUE(hooks.signal_all());
    add("100", "12\n");
    ASSERT_TRUE(hooks.signal_all());
    EXPECT_EQ(processes.signalled, (Signals{{100, SIGUSR2}}));
}

TEST_F(ResumeHooksTest, registrations_of_the_dead_are_removed) {
    add("200", "10\n");
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
    EXPECT_FALSE(exists("200"));
}

TEST_F(ResumeHooksTest, init_and_everything_outside_the_group_is_never_signalled) {
    processes.alive[1] = {.uid = 0, .handled = ~uint64_t{0}};
    processes.alive[2] = std::nullopt;
    add("1", "10\n", 0);
    add("2", "10\n", 0);
    add("0", "10\n", 0);
    add("-1", "10\n", 0);
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
}

TEST_F(ResumeHooksTest, registration_by_another_user_is_passed_over) {
    add("100", "10\n", 1001);
    add("101", "10\n", 0);
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
}

TEST_F(ResumeHooksTest, process_that_does_not_handle_the_signal_is_not_ended_by_it) {
    processes.alive[100]->handled = bit(SIGUSR2);
    add("100", "10\n");
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
}

TEST_F(ResumeHooksTest, what_is_no_regular_file_is_passed_over) {
    add("target", "10\n");
    ASSERT_EQ(::symlink("target", (folder + "/100").c_str()), 0);
    ASSERT_EQ(::mkfifo((folder + "/101").c_str(), 0644), 0);
    ASSERT_EQ(::mkdir((folder + "/102").c_str(), 0755), 0);
    ASSERT_EQ(::symlink("/etc/passwd", (folder + "/103").c_str()), 0);
    processes.alive[102] = processes.alive[100];
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
    EXPECT_TRUE(exists("target"));
    EXPECT_FALSE(exists("103"));  // of a pid that is nobody's: the link goes, its target stays
    EXPECT_EQ(::access("/etc/passwd", F_OK), 0);
}

TEST_F(ResumeHooksTest, folder_of_a_dead_pid_stays_and_harms_nothing) {
    ASSERT_EQ(::mkdir((folder + "/300").c_str(), 0755), 0);
    add("100", "10\n");
    ASSERT_TRUE(signal_all());
    EXPECT_EQ(processes.signalled.size(), 1U);
}

TEST_F(ResumeHooksTest, linked_registration_of_another_is_passed_over) {
    add("100", "10\n");
    ASSERT_EQ(::link((folder + "/100").c_str(), (folder + "/101").c_str()), 0);
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
}

TEST_F(ResumeHooksTest, text_that_is_no_allowed_signal_is_passed_over) {
    for (const std::string& text : {std::string(),
                                    std::string("\n"),
                                    std::string("9"),
                                    std::string("15"),
                                    std::string("19"),
                                    std::string("0"),
                                    std::string("32"),
                                    std::string("33"),
                                    std::string("34"),
                                    std::string("65"),
                                    std::string("-10"),
                                    std::string("+10"),
                                    std::string("010"),
                                    std::string("10 "),
                                    std::string(" 10"),
                                    std::string("10\n\n"),
                                    std::string("10\0", 3),
                                    std::string("SIGUSR1"),
                                    std::string("99999999999999"),
                                    std::string(1 << 20, '1')}) {
        add("100", text);
        ASSERT_TRUE(signal_all());
        EXPECT_TRUE(processes.signalled.empty()) << text.substr(0, 20);
    }
}

TEST_F(ResumeHooksTest, huge_sparse_file_is_read_no_further_than_its_bound) {
    add("100", "10\n");
    ASSERT_EQ(::truncate((folder + "/100").c_str(), off_t{1} << 40), 0);
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
}

TEST_F(ResumeHooksTest, names_that_are_no_pids_are_passed_over) {
    for (const char* name : {"0100", "100x", " 100", "+100", "1e2", "100.5", "4194305",
                             "99999999999999999999", "..100", "passwd"}) {
        add(name, "10\n");
    }
    ASSERT_TRUE(signal_all());
    EXPECT_TRUE(processes.signalled.empty());
    EXPECT_TRUE(exists("passwd"));
}

TEST_F(ResumeHooksTest, ten_thousand_entries_are_an_error_and_nobody_is_signalled) {
    add("100", "10\n");
    const OwnFd directory = sys::open(folder, O_RDONLY | O_DIRECTORY).value();
    for (int i = 0; i < 10'000; ++i) {
        const OwnFd file(::openat(directory.get(), ("x" + std::to_string(i)).c_str(),
                                  O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        ASSERT_TRUE(file.valid());
    }
    const Status status = signal_all();
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("1024"), std::string::npos);
    EXPECT_TRUE(processes.signalled.empty());
}

TEST_F(ResumeHooksTest, process_that_ends_meanwhile_is_no_failure_and_any_other_is) {
    add("100", "10\n");
    processes.failure = ESRCH;
    EXPECT_TRUE(signal_all());
    processes.failure = EPERM;
    EXPECT_FALSE(signal_all());
}

}  // namespace
}  // namespace anchorhold::guest_init
