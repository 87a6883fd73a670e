// Sandboxes that start from a template: what they are, what they have, what they leave alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include "base/sys.h"
#include "snapshot/checksum.h"
#include "vm/templates.h"

namespace anchorhold::vm_test {
namespace {

// A value in the memory of a shell that the warming leaves behind; it tells it to whoever asks.
constexpr const char* kKeeper = R"SH(
mkfifo $HOME/ask $HOME/answer
setsid sh -c '
    kept=$(head -c 48 /dev/urandom | base64)
    printf "%s\n" "$kept" > $HOME/kept
    turns=0
    while read line < $HOME/ask; do
        turns=$((turns + 1))
        printf "%s %s %s\n" "$line" "$turns" "$kept" > $HOME/answer
    done' < /dev/null > /dev/null 2>&1 &
# It has its value, and answers, before anything is written down.
echo warm > $HOME/ask
read line turns kept < $HOME/answer
test "$kept" = "$(cat $HOME/kept)"
)SH";

// Of one template; what no memory backend can make different.
class WarmStart : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        templates_ = std::make_unique<Templates>();
        templates_->create("tiny", {"--quiet", "--image", "tiny", "-m", "128M", "--disk", "64M",
                                    "--warm", "echo from-the-template > $HOME/file", "--warm",
                                    kKeeper, "--probe", "cat $HOME/file"});
    }
    static void TearDownTestSuite() { templates_.reset(); }

    [[nodiscard]] virtual std::string backend() const { return "file"; }
    [[nodiscard]] std::vector<std::string> with_backend(
        std::vector<std::string> options = {}) const {
        options.insert(options.end(), {"--memory-backend", backend()});
        return options;
    }
    [[nodiscard]] Completed run(const std::vector<std::string>& command,
                                const std::vector<std::string>& options = {}) const {
        return templates_->run("tiny", command, with_backend(options));
    }
    [[nodiscard]] Completed shell(const std::string& script,
                                  const std::string& name = "tiny") const {
        return templates_->run(name, {"sh", "-c", script}, with_backend());
    }
    [[nodiscard]] Invocation from(const std::string& name, const std::vector<std::string>& command,
                                  const std::vector<std::string>& options) const {
        return templates_->from(name, command, with_backend(options));
    }

    static std::unique_ptr<Templates> templates_;
};

std::unique_ptr<Templates> WarmStart::templates_;

// With each memory backend.
class WarmMemory : public WarmStart, public testing::WithParamInterface<const char*> {
  protected:
    [[nodiscard]] std::string backend() const override { return GetParam(); }
};

std::string digest_of_file(const std::string& path) {
    const snapshot::Digest digest = snapshot::digest(sys::read_file(path, size_t{1} << 30).value());
    return std::to_string(digest.low) + "." + std::to_string(digest.high);
}

TEST_P(WarmMemory, command_runs_as_the_agent_in_its_home) {
    const Completed done = shell("id -u; pwd; nproc; echo error >&2");
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.out, "1000\n/home/agent\n1\n");
    EXPECT_EQ(done.err, "error\n");
}

TEST_F(WarmStart, exit_statuses_are_the_commands) {
    EXPECT_EQ(shell("exit 0").status, 0);
    EXPECT_EQ(shell("exit 7").status, 7);
    EXPECT_EQ(shell("kill -9 $$").status, 128 + SIGKILL);
    EXPECT_EQ(run({"/no/such/program"}).status, 127);
}

TEST_F(WarmStart, options_of_a_command_reach_it) {
    const Completed done = run({"sh", "-c", "id -u; pwd; echo $WORD"},
                               {"-u", "root", "-w", "/tmp", "-e", "WORD=given"});
    EXPECT_EQ(done.out, "0\n/tmp\ngiven\n") << done.err;
}

TEST_P(WarmMemory, stdin_arrives_whole) {
    std::string input;
    for (int i = 0; i < 40'000; ++i) {
        input += std::to_string(i) + "\n";
    }
    Invocation invocation = from("tiny", {"cat"}, {"-i"});
    invocation.input = input;
    const Completed done = anchorhold(invocation);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_TRUE(done.out == input) << done.out.size() << " bytes of " << input.size();
}

TEST_F(WarmStart, terminal_is_one) {
    Running shell(from("tiny", {"sh"}, {"-t", "-e", "PS1=ready> "}), Running::Streams::kTerminal);
    ASSERT_TRUE(shell.wait_for("ready> ")) << shell.output();
    shell.type("stty size\r");
    EXPECT_TRUE(shell.wait_for("24 80")) << shell.output();
    shell.type("exit 5\r");
    EXPECT_EQ(shell.wait(), 5) << shell.output();
}

TEST_P(WarmMemory, file_of_the_warming_is_there) {
    EXPECT_EQ(shell("cat $HOME/file").out, "from-the-template\n");
}

TEST_P(WarmMemory, what_one_writes_neither_the_template_nor_the_next_one_has) {
    const std::string disk = digest_of_file(templates_->file("tiny", "disk.raw"));
    const std::string memory = digest_of_file(templates_->file("tiny", "memory.raw"));
    const Completed writer = shell(
        "echo mine > $HOME/file; echo new > $HOME/other; head -c 1048576 /dev/urandom > $HOME/big; "
        "sync; cat $HOME/file $HOME/other; cmp $HOME/big $HOME/big && echo same");
    EXPECT_EQ(writer.out, "mine\nnew\nsame\n") << writer.err;
    EXPECT_EQ(digest_of_file(templates_->file("tiny", "disk.raw")), disk);
    EXPECT_EQ(digest_of_file(templates_->file("tiny", "memory.raw")), memory);
    const Completed next = shell("cat $HOME/file; ls $HOME");
    EXPECT_TRUE(next.out.starts_with("from-the-template\n")) << next.out << next.err;
    EXPECT_EQ(next.out.find("other"), std::string::npos) << next.out;
    const Completed verified = templates_->call({"template", "verify", "tiny"});
    EXPECT_EQ(verified.status, 0) << verified.err;
}

TEST_P(WarmMemory, process_of_the_warming_lives_on_with_its_memory) {
    for (int copy = 0; copy < 2; ++copy) {
        // Its second turn in each copy: copies do not see one another's.
        const Completed done = shell(
            "echo hello > $HOME/ask; read line turns kept < $HOME/answer; echo $line $turns; "
            "test \"$kept\" = \"$(cat $HOME/kept)\" && echo kept");
        EXPECT_EQ(done.out, "hello 2\nkept\n") << copy << done.err;
    }
}

TEST_P(WarmMemory, three_at_once_are_three) {
    std::vector<std::unique_ptr<Running>> all;
    for (const char* name : {"one", "two", "three"}) {
        all.push_back(std::make_unique<Running>(
            from("tiny",
                 {"sh", "-c",
                  std::string("echo ") + name +
                      " > $HOME/file; echo hello > $HOME/ask; "
                      "read line < $HOME/answer; echo up-$(cat $HOME/file); cat"},
                 {"-t"}),
            Running::Streams::kTerminal));
    }
    size_t index = 0;
    for (const char* name : {"one", "two", "three"}) {
        Running& running = *all[index++];
        EXPECT_TRUE(running.wait_for(std::string("up-") + name)) << running.output();
        running.type("\x04");
        EXPECT_EQ(running.wait(), 0) << running.output();
    }
}

TEST_F(WarmStart, sandbox_outlives_replacement_and_removal_of_its_template) {
    templates_->create("short-lived", {"--quiet", "--image", "tiny", "-m", "64M", "--disk", "64M",
                                       "--warm", "echo first > $HOME/file"});
    Running running(from("short-lived",
                         {"sh", "-c",
                          "echo up; read x; cat $HOME/file; "
                          "find / -xdev > /dev/null 2>&1; echo "
                          "found"},
                         {"-t"}),
                    Running::Streams::kTerminal);
    ASSERT_TRUE(running.wait_for("up\r\n")) << running.output();
    templates_->create("short-lived", {"--quiet", "--image", "tiny", "-m", "64M", "--disk", "64M",
                                       "--warm", "echo second > $HOME/file"});
    EXPECT_EQ(shell("cat $HOME/file", "short-lived").out, "second\n");
    EXPECT_EQ(templates_->call({"template", "rm", "short-lived"}).status, 0);
    running.type("\r");
    EXPECT_TRUE(running.wait_for("first")) << running.output();
    EXPECT_EQ(running.wait(), 0) << running.output();
    EXPECT_NE(running.output().find("found"), std::string::npos) << running.output();
    const Completed gone = templates_->run("short-lived", {"true"});
    EXPECT_EQ(gone.status, 125);
    EXPECT_NE(gone.err.find("anchorhold template create short-lived"), std::string::npos)
        << gone.err;
}

TEST_F(WarmStart, list_shows_it) {
    const Completed list = templates_->call({"template", "ls"});
    EXPECT_EQ(list.status, 0) << list.err;
    EXPECT_TRUE(list.out.starts_with("tiny ")) << list.out;
    EXPECT_NE(list.out.find("128 MiB"), std::string::npos) << list.out;
}

TEST_F(WarmStart, warming_that_fails_makes_no_template) {
    const Completed done = templates_->call({"template", "create", "bad", "--quiet", "--image",
                                             "tiny", "-m", "64M", "--warm", "exit 3"});
    EXPECT_EQ(done.status, 125) << done.err;
    EXPECT_NE(done.err.find("'/bin/sh -c exit 3' failed: it ended with status 3"),
              std::string::npos)
        << done.err;
    const std::filesystem::directory_iterator entries(templates_->store());
    for (const auto& entry : entries) {
        EXPECT_EQ(entry.path().filename(), "tiny") << "nothing unfinished";
    }
}

TEST_P(WarmMemory, report_says_how_it_got_its_memory) {
    const Completed done = run({"true"}, {"--json"});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_NE(done.err.find(std::string("\"memory_backend\":\"") + GetParam() + "\""),
              std::string::npos)
        << done.err;
}

INSTANTIATE_TEST_SUITE_P(Backends, WarmMemory, testing::Values("file", "userfaultfd"),
                         [](const auto& test) { return std::string(test.param); });

// A template that is stored compressed is served page by page without being asked.
class WarmCompressed : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        templates_ = std::make_unique<Templates>();
        templates_->create("cold", {"--quiet", "--compress", "--image", "tiny", "-m", "128M",
                                    "--disk", "64M", "--warm",
                                    "head -c 1048576 /dev/urandom > $HOME/noise; "
                                    "sha256sum $HOME/noise > $HOME/sum"});
    }
    static void TearDownTestSuite() { templates_.reset(); }

    // Its bytes are what they were, and the report says how they came.
    static void expect_starts(const std::string& backend) {
        const Completed done =
            templates_->run("cold", {"sh", "-c", "sha256sum -c $HOME/sum"}, {"--json"});
        EXPECT_EQ(done.status, 0) << done.err;
        EXPECT_TRUE(done.out.ends_with("noise: OK\n")) << done.out;
        EXPECT_NE(done.err.find("\"memory_backend\":\"" + backend + "\""), std::string::npos)
            << done.err;
    }
    static void expect_verified() {
        const Completed done = templates_->call({"template", "verify", "cold"});
        EXPECT_EQ(done.status, 0) << done.err;
    }
    static uint64_t bytes_on_disk(const char* which) {
        struct stat status {};
        EXPECT_EQ(::stat(templates_->file("cold", which).c_str(), &status), 0) << which;
        return static_cast<uint64_t>(status.st_blocks) * 512;
    }

    static std::unique_ptr<Templates> templates_;
};

std::unique_ptr<Templates> WarmCompressed::templates_;

TEST_F(WarmCompressed, is_smaller_and_the_same_guest_and_expands_again) {
    expect_starts("userfaultfd");
    expect_verified();
    EXPECT_NE(templates_->call({"template", "ls"}).out.find(" compressed "), std::string::npos);
    const uint64_t compressed = bytes_on_disk("memory.zst");
    EXPECT_FALSE(std::filesystem::exists(templates_->file("cold", "memory.raw")));

    const Completed mapped = templates_->run("cold", {"true"}, {"--memory-backend", "file"});
    EXPECT_EQ(mapped.status, 125);
    EXPECT_NE(mapped.err.find("anchorhold template expand"), std::string::npos) << mapped.err;

    ASSERT_EQ(templates_->call({"template", "expand", "cold"}).status, 0);
    expect_starts("file");
    expect_verified();
    EXPECT_LT(compressed * 2, bytes_on_disk("memory.raw"));

    ASSERT_EQ(templates_->call({"template", "compress", "cold"}).status, 0);
    expect_starts("userfaultfd");
    expect_verified();
}

// Machines of other shapes, each made, used three times and thrown away.
class WarmShapes : public testing::Test {
  protected:
    // What `script` says in three copies of a template of this shape, of both memory backends.
    std::vector<std::string> say(const std::vector<std::string>& shape, const std::string& warm,
                                 const std::string& script) const {
        std::vector<std::string> options = {"--quiet", "--image", "tiny", "--warm", warm};
        options.insert(options.end(), shape.begin(), shape.end());
        templates_.create("shape", options);
        std::vector<std::string> said;
        for (const char* backend : {"file", "userfaultfd", "userfaultfd"}) {
            const Completed done =
                templates_.run("shape", {"sh", "-c", script}, {"--memory-backend", backend});
            said.push_back(done.out + done.err);
        }
        return said;
    }
    using Said = std::vector<std::string>;

    Templates templates_;
};

// Every processor does work of its own, and an interrupt reaches each.
constexpr const char* kAllProcessorsWork =
    "nproc; for i in $(seq 0 $(($(nproc) - 1))); do "
    "taskset -c $i sh -c 'head -c 1000000 /dev/zero | sha256sum; usleep 20000' & done | sort -u; "
    "wait; awk '/^cpu[0-9]/ && $2 + $3 + $4 == 0 { print $1 \" did nothing\" }' /proc/stat";
constexpr const char* kDigest =
    "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025  -\n";

TEST_F(WarmShapes, two_processors_both_work) {
    const std::string each = std::string("2\n") + kDigest;
    EXPECT_EQ(say({"--cpus", "2", "-m", "128M"}, "true", kAllProcessorsWork),
              (Said{each, each, each}));
}

TEST_F(WarmShapes, four_processors_all_work) {
    const std::string each = std::string("4\n") + kDigest;
    EXPECT_EQ(say({"--cpus", "4", "-m", "128M"}, "true", kAllProcessorsWork),
              (Said{each, each, each}));
}

TEST_F(WarmShapes, writable_layer_in_memory_is_kept) {
    EXPECT_EQ(say({"-m", "128M", "--disk", "0"}, "echo kept > $HOME/file",
                  "cat $HOME/file; echo mine > $HOME/file"),
              (Said{"kept\n", "kept\n", "kept\n"}));
}

TEST_F(WarmShapes, default_disk_is_kept) {
    EXPECT_EQ(
        say({"-m", "128M"}, "echo kept > $HOME/file", "cat $HOME/file; echo mine > $HOME/file"),
        (Said{"kept\n", "kept\n", "kept\n"}));
}

// RAM below and above the hole for devices, which begins at 3.25 GiB.
TEST_F(WarmShapes, memory_across_the_hole_is_kept) {
    EXPECT_EQ(
        say({"-m", "3584M", "--disk", "0"},
            "mkdir $HOME/d && for i in 1 2 3 4; do head -c 8388608 /dev/urandom > $HOME/d/$i; "
            "done; cd $HOME/d && sha256sum * > $HOME/sums",
            "cd $HOME/d && sha256sum -c $HOME/sums && awk '/MemTotal/ { print ($2 > 3400000) "
            "}' /proc/meminfo"),
        (Said(3, "1: OK\n2: OK\n3: OK\n4: OK\n1\n")));
}

}  // namespace
}  // namespace anchorhold::vm_test
