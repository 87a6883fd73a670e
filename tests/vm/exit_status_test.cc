// `anchorhold run` ends the way its command ended, or says why there was none.
#include <gtest/gtest.h>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

TEST(ExitStatus, command_exits_7_gives_7) {
    const Completed done = run({"sh", "-c", "exit 7"});
    EXPECT_EQ(done.status, 7) << done.err;
    EXPECT_EQ(done.err, "");
}

TEST(ExitStatus, command_prints_reaches_each_stream) {
    const Completed done = run({"sh", "-c", "echo to-out; echo to-err >&2"});
    EXPECT_EQ(done.status, 0);
    EXPECT_EQ(done.out, "to-out\n");
    EXPECT_EQ(done.err, "to-err\n");
}

TEST(ExitStatus, missing_command_gives_127_and_names_it) {
    const Completed done = run({"no-such-program"});
    EXPECT_EQ(done.status, 127);
    EXPECT_NE(done.err.find("no-such-program"), std::string::npos) << done.err;
}

TEST(ExitStatus, file_without_execute_permission_gives_126_and_names_it) {
    const Completed done = run({"/etc/passwd"});
    EXPECT_EQ(done.status, 126);
    EXPECT_NE(done.err.find("/etc/passwd"), std::string::npos) << done.err;
}

TEST(ExitStatus, command_killed_by_signal_9_gives_137) {
    EXPECT_EQ(run({"sh", "-c", "kill -9 $$"}).status, 137);
}

TEST(ExitStatus, command_over_its_timeout_gives_124) {
    const Completed done = run({"sleep", "60"}, {"--timeout", "2s"});
    EXPECT_EQ(done.status, 124);
    EXPECT_NE(done.err.find("--timeout"), std::string::npos) << done.err;
}

TEST(ExitStatus, command_that_ignores_sigterm_over_its_timeout_gives_124) {
    EXPECT_EQ(run({"sh", "-c", "trap '' TERM; sleep 60"}, {"--timeout", "1s"}).status, 124);
}

TEST(ExitStatus, command_within_its_timeout_gives_its_own) {
    EXPECT_EQ(run({"sh", "-c", "exit 3"}, {"--timeout", "60s"}).status, 3);
}

TEST(ExitStatus, unknown_user_gives_125_and_names_it) {
    const Completed done = run({"true"}, {"--user", "nobody-at-all"});
    EXPECT_EQ(done.status, 125);
    EXPECT_NE(done.err.find("nobody-at-all"), std::string::npos) << done.err;
}

TEST(ExitStatus, missing_working_directory_gives_125_and_names_it) {
    const Completed done = run({"true"}, {"--workdir", "/no/such/folder"});
    EXPECT_EQ(done.status, 125);
    EXPECT_NE(done.err.find("/no/such/folder"), std::string::npos) << done.err;
}

TEST(ExitStatus, environment_and_working_directory_reach_the_command) {
    const Completed done =
        run({"sh", "-c", "echo $ONE $TWO; pwd"}, {"-e", "ONE=1 1", "-e", "TWO=2", "-w", "/tmp"});
    EXPECT_EQ(done.out, "1 1 2\n/tmp\n") << done.err;
}

TEST(ExitStatus, json_reports_the_outcome_on_stderr) {
    const Completed done = run({"sh", "-c", "echo text; exit 4"}, {"--json"});
    EXPECT_EQ(done.status, 4);
    EXPECT_EQ(done.out, "text\n");
    EXPECT_NE(done.err.find("\"exit_status\":4"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace anchorhold::vm_test
