// ExecClient and ExecServer together, against real processes.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exec_rig.h"
#include "proto/frame.h"

namespace anchorhold::exec::test {
namespace {

TEST_F(ExecTest, output_of_both_streams_arrives_apart) {
    RemoteRun run(*loop, server, shell("echo out; echo err >&2; exit 7"));
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->code, 7);
    EXPECT_EQ(exited(run)->signal, 0);
    EXPECT_EQ(run.out, "out\n");
    EXPECT_EQ(run.err, "err\n");
    EXPECT_EQ(run.first_bytes, 1);
    ASSERT_TRUE(run.started.has_value());
    EXPECT_GT(run.started->pid(), 1U);
    EXPECT_GT(run.started->tsc_exec(), 0U);
}

TEST_F(ExecTest, killed_command_reports_its_signal) {
    RemoteRun run(*loop, server, shell("kill -9 $$"));
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->signal, SIGKILL);
    EXPECT_FALSE(exited(run)->out_of_memory);
}

TEST_F(ExecTest, stdin_of_several_windows_comes_back_unchanged) {
    std::string bytes(5 * proto::kStdinWindow + 17, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>((i * 2654435761U) >> 13);
    }
    RemoteRun run(*loop, server, start_of({"cat"}), bytes);
    run.finish();
    ASSERT_NE(exited(run), nullptr) << std::get<Lost>(*run.outcome).message;
    EXPECT_EQ(exited(run)->code, 0);
    EXPECT_TRUE(run.out == bytes);
}

TEST_F(ExecTest, stdin_from_a_file_is_read_to_its_end) {
    const OwnFd file = sys::memfd("stdin", 0).value();
    ASSERT_TRUE(sys::write_all(file.get(), std::string(300'000, 'x')));
    ::lseek(file.get(), 0, SEEK_SET);
    auto pair = sys::socket_pair(SOCK_STREAM).value();
    server.serve(std::move(pair.second));
    const sys::Pipe out = sys::pipe().value();
    std::optional<Outcome> outcome;
    ExecClient client(*loop, std::move(pair.first), start_of({"wc", "-c"}),
                      Stdio{file.get(), out.write_end.get(), -1},
                      [&](const Outcome& ended) { outcome = ended; });
    run_until(*loop, [&] { return outcome.has_value(); });
    std::byte text[32];
    const size_t count = (*sys::read_some(out.read_end.get(), text)).value();
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(text), count), "300000\n");
}

TEST_F(ExecTest, flags_of_borrowed_descriptors_stay_as_they_were) {
    const sys::Pipe in = sys::pipe().value();
    const sys::Pipe out = sys::pipe().value();
    auto pair = sys::socket_pair(SOCK_STREAM).value();
    server.serve(std::move(pair.second));
    std::optional<Outcome> outcome;
    ExecClient client(*loop, std::move(pair.first), start_of({"true"}),
                      Stdio{in.read_end.get(), out.write_end.get(), out.write_end.get()},
                      [&](const Outcome& ended) { outcome = ended; });
    EXPECT_EQ(::fcntl(in.read_end.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(out.write_end.get(), F_GETFL) & O_NONBLOCK, 0);
    run_until(*loop, [&] { return outcome.has_value(); });
}

TEST_F(ExecTest, endless_output_ends_when_its_reader_goes_away) {
    RemoteRun run(*loop, server, start_of({"yes"}));
    run_until(*loop, [&] { return !run.out.empty(); });
    run.close_stdout_reader();
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->signal, SIGPIPE);
}

TEST_F(ExecTest, stdin_that_nobody_reads_does_not_hang_the_run) {
    RemoteRun run(*loop, server, shell("exec <&-; echo closed"),
                  std::string(4 * proto::kStdinWindow, 'x'));
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->code, 0);
    EXPECT_EQ(run.out, "closed\n");
}

TEST_F(ExecTest, signal_reaches_the_process_group) {
    RemoteRun run(*loop, server,
                  shell("trap 'echo caught; exit 3' TERM; echo ready; sleep 60 & wait"));
    run_until(*loop, [&] { return run.out == "ready\n"; });
    run.client->signal(SIGTERM);
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->code, 3);
    EXPECT_EQ(run.out, "ready\ncaught\n");
}

TEST_F(ExecTest, signal_sent_at_once_is_not_lost) {
    RemoteRun run(*loop, server, start_of({"sleep", "60"}));
    run.client->signal(SIGTERM);
    run.finish();
    ASSERT_NE(exited(run), nullptr);
    EXPECT_EQ(exited(run)->signal, SIGTERM);
}

TEST_F(ExecTest, full_disk_behind_stdout_is_told) {
    const OwnFd full = sys::open("/dev/full", O_WRONLY).value();
    auto pair = sys::socket_pair(SOCK_STREAM).value();
    server.serve(std::move(pair.second));
    std::optional<Outcome> outcome;
    ExecClient client(*loop, std::move(pair.first), start_of({"echo", "x"}),
                      Stdio{-1, full.get(), -1}, [&](const Outcome& ended) { outcome = ended; });
    run_until(*loop, [&] { return outcome.has_value(); });
    ASSERT_TRUE(std::holds_alternative<Lost>(*outcome));
    EXPECT_EQ(std::get<Lost>(*outcome).message, "write stdout: No space left on device");
}

TEST_F(ExecTest, eight_runs_at_once_keep_their_streams_apart) {
    std::vector<std::unique_ptr<RemoteRun>> runs;
    for (int i = 0; i < 8; ++i) {
        runs.push_back(std::make_unique<RemoteRun>(
            *loop, server, start_of({"cat"}), std::string(400'000, static_cast<char>('a' + i))));
    }
    for (size_t i = 0; i < runs.size(); ++i) {
        runs[i]->finish();
        EXPECT_TRUE(runs[i]->out == std::string(400'000, static_cast<char>('a' + i)));
    }
}

TEST_F(ExecTest, bulk_output_uses_bounded_memory) {
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    auto pair = sys::socket_pair(SOCK_STREAM).value();
    server.serve(std::move(pair.second));
    const OwnFd null = sys::open("/dev/null", O_WRONLY).value();
    std::optional<Outcome> outcome;
    ExecClient client(*loop, std::move(pair.first),
                      start_of({"head", "-c", "268435456", "/dev/zero"}), Stdio{-1, null.get(), -1},
                      [&](const Outcome& ended) { outcome = ended; });
    run_until(*loop, [&] { return outcome.has_value(); });
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    ASSERT_TRUE(std::holds_alternative<Exited>(*outcome));
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 32 * 1024) << "KiB";
}

TEST_F(ExecTest, server_that_vanishes_is_a_lost_run) {
    auto pair = sys::socket_pair(SOCK_STREAM).value();
    std::optional<Outcome> outcome;
    ExecClient client(*loop, std::move(pair.first), start_of({"true"}), Stdio{},
                      [&](const Outcome& ended) { outcome = ended; });
    pair.second.reset();
    run_until(*loop, [&] { return outcome.has_value(); });
    EXPECT_TRUE(std::holds_alternative<Lost>(*outcome));
}

TEST_F(ExecTest, credit_for_stdin_never_sent_is_a_lost_run) {
    auto pair = sys::socket_pair(SOCK_STREAM).value();
    std::optional<Outcome> outcome;
    ExecClient client(*loop, std::move(pair.first), start_of({"true"}), Stdio{},
                      [&](const Outcome& ended) { outcome = ended; });
    proto::ExecServerFrame frame;
    frame.mutable_stdin_credit()->set_bytes(1);
    std::string bytes;
    proto::append_frame(bytes, frame);
    ASSERT_TRUE(sys::write_all(pair.second.get(), bytes));
    run_until(*loop, [&] { return outcome.has_value(); });
    EXPECT_TRUE(std::holds_alternative<Lost>(*outcome));
}

}  // namespace
}  // namespace anchorhold::exec::test
