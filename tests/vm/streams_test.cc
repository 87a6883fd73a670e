// Bytes through a sandbox arrive unchanged, in bounded memory, and readers may leave.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>

#include "base/sys.h"
#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

constexpr const char* kVolume = "268435456";  // 256 MiB

// Runs a shell script, with /tmp files of its own that end in $$; its output, and what went wrong
// on stderr for the failure's text.
struct Script {
    std::string out;
    std::string err;
    int status = -1;

    explicit Script(const std::string& text) {
        const std::string errors = private_folder() + "/script-errors";
        FILE* pipe = ::popen(("exec 2>" + errors + "; " + text).c_str(), "r");
        if (pipe == nullptr) {
            return;
        }
        char line[256];
        while (std::fgets(line, sizeof line, pipe) != nullptr) {
            out += line;
        }
        status = ::pclose(pipe);
        err = sys::read_file(errors).value_or("");
    }
};

// "<hash>  -" twice, the same.
void expect_same_hashes(const Script& script) {
    const size_t half = script.out.size() / 2;
    EXPECT_EQ(half, 68U) << script.out << script.err << "status " << script.status;
    EXPECT_EQ(script.out.substr(0, half), script.out.substr(half))
        << script.err << "status " << script.status;
}

TEST(Streams, stdin_of_256_mib_arrives_unchanged) {
    // The same bytes are hashed on both sides; anchorhold reads them from a pipe.
    expect_same_hashes(
        Script(std::string("head -c ") + kVolume + " /dev/urandom > /tmp/in-$$; " + program_path() +
               " run -q -i --memory 128M -- sha256sum < /tmp/in-$$; sha256sum < /tmp/in-$$; rm "
               "/tmp/in-$$"));
}

TEST(Streams, stdout_of_256_mib_arrives_unchanged) {
    // The guest prints its own hash last, on stderr.
    expect_same_hashes(
        Script(program_path() + " run -q --memory 128M -- sh -c 'head -c " + kVolume +
               " /dev/urandom >/home/agent/bytes; sha256sum </home/agent/bytes >&2; cat "
               "/home/agent/bytes' 2>/tmp/sum-$$ | sha256sum; cat /tmp/sum-$$; "
               "rm /tmp/sum-$$"));
}

TEST(Streams, reader_that_goes_away_ends_the_command) {
    Running running = Running::command({"yes"});
    ASSERT_TRUE(running.wait_for("y\ny\n")) << running.output();
    running.close_output();
    EXPECT_EQ(running.wait(), 128 + SIGPIPE) << running.output().substr(0, 400);
}

TEST(Streams, stdin_not_asked_for_is_empty) {
    const Completed done = run({"wc", "-c"});
    EXPECT_EQ(done.out, "0\n") << done.err;
}

TEST(Streams, command_that_closes_its_stdin_does_not_stop_the_run) {
    const Completed done =
        run({"sh", "-c", "exec </dev/null; echo done"}, {}, std::string(1 << 20, 'x'));
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.out, "done\n");
}

TEST(Streams, background_child_that_keeps_stdout_does_not_hang_the_run) {
    const Completed done = run({"sh", "-c", "sleep 1000 & echo started"});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.out, "started\n");
    EXPECT_FALSE(done.timed_out);
}

TEST(Streams, eight_sandboxes_at_once_keep_apart) {
    std::vector<Running> running;
    for (int i = 0; i < 8; ++i) {
        running.push_back(Running::command(
            {"sh", "-c", "for n in $(seq 2000); do echo line-" + std::to_string(i) + "; done"}));
    }
    for (int i = 0; i < 8; ++i) {
        ASSERT_EQ(running[static_cast<size_t>(i)].wait(), 0)
            << running[static_cast<size_t>(i)].output();
        const std::string line = "line-" + std::to_string(i) + "\n";
        std::string expected;
        for (int n = 0; n < 2000; ++n) {
            expected += line;
        }
        EXPECT_EQ(running[static_cast<size_t>(i)].output(), expected);
    }
}

}  // namespace
}  // namespace anchorhold::vm_test
