// Sessions seen from a client that speaks the protocol by hand.
#include "exec/session.h"

#include <sys/wait.h>
#include <unistd.h>

#include "exec_rig.h"
#include "proto/frame.h"

namespace anchorhold::exec::test {
namespace {

class SessionTest : public ExecTest {
  protected:
    void SetUp() override {
        auto pair = sys::socket_pair(SOCK_STREAM).value();
        peer = std::move(pair.first);
        ASSERT_TRUE(sys::set_nonblocking(peer.get()));
        server.serve(std::move(pair.second));
    }
    void send(const proto::ExecClientFrame& frame) {
        std::string bytes;
        proto::append_frame(bytes, frame);
        ASSERT_TRUE(sys::write_all(peer.get(), bytes));
    }
    void send_start(const proto::ExecStart& start) {
        proto::ExecClientFrame frame;
        *frame.mutable_start() = start;
        send(frame);
    }
    // The next frame, or an empty one at the end of the stream. StdinGone is left out: a command
    // that ends may send it.
    proto::ExecServerFrame receive() {
        proto::ExecServerFrame frame = receive_any();
        return frame.has_stdin_gone() ? receive() : frame;
    }
    proto::ExecServerFrame receive_any() {
        proto::ExecServerFrame frame;
        bool done = false;
        run_until(*loop, [&] {
            const auto message = reader.next();
            if (message && message->has_value()) {
                frame = *proto::parse<proto::ExecServerFrame>(**message, "frame");
                done = true;
                return done;
            }
            std::byte chunk[4096];
            const auto got = sys::read_some(peer.get(), chunk);
            if (got && got->has_value()) {
                done = **got == 0;
                reader.feed(std::span(chunk, **got));
            }
            return done || !got;
        });
        return frame;
    }

    OwnFd peer;
    proto::FrameReader reader{proto::kMaxExecServerFrame};
};

TEST_F(SessionTest, frame_before_start_ends_the_session) {
    proto::ExecClientFrame frame;
    frame.set_stdin_data("x");
    send(frame);
    EXPECT_EQ(receive().frame_case(), proto::ExecServerFrame::FRAME_NOT_SET);
    run_until(*loop, [&] { return server.sessions() == 0; });
}

TEST_F(SessionTest, garbage_ends_this_session_and_no_other) {
    RemoteRun other(*loop, server, start_of({"cat"}), "still here\n");
    ASSERT_TRUE(sys::write_all(peer.get(), std::string_view("\x03\0\0\0\xff\xff\xff", 7)));
    EXPECT_EQ(receive().frame_case(), proto::ExecServerFrame::FRAME_NOT_SET);
    other.finish();
    EXPECT_EQ(other.out, "still here\n");
}

TEST_F(SessionTest, stdin_beyond_the_window_ends_the_session) {
    send_start(start_of({"sleep", "60"}));
    EXPECT_TRUE(receive().has_started());
    proto::ExecClientFrame frame;
    frame.set_stdin_data(std::string(proto::kMaxStdioChunk, 'x'));
    // One chunk fits into the pipe and is credited.
    for (size_t sent = 0; sent <= proto::kStdinWindow + proto::kMaxStdioChunk;
         sent += proto::kMaxStdioChunk) {
        std::string bytes;
        proto::append_frame(bytes, frame);
        std::string_view rest = bytes;
        run_until(*loop, [&] {
            const auto wrote = sys::write_some(peer.get(), std::as_bytes(std::span(rest)));
            if (wrote && wrote->has_value()) {
                rest.remove_prefix(**wrote);
            }
            return rest.empty() || !wrote;
        });
    }
    run_until(*loop, [&] { return server.sessions() == 0; });
}

TEST_F(SessionTest, lost_stream_hangs_up_and_then_kills) {
    send_start(shell("trap '' HUP TERM; echo $$; while :; do sleep 1; done"));
    EXPECT_TRUE(receive().has_started());
    const pid_t pid = std::stoi(receive().output().data());
    peer.reset();
    run_until(*loop, [&] { return server.sessions() == 0; });
    EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(SessionTest, background_process_that_keeps_stdout_does_not_hold_the_session) {
    send_start(shell("sleep 60 & echo $!"));
    EXPECT_TRUE(receive().has_started());
    const pid_t pid = std::stoi(receive().output().data());
    const auto last = receive();
    EXPECT_TRUE(last.has_exited());
    EXPECT_EQ(::kill(pid, SIGKILL), 0) << "it was left alone";
}

TEST_F(SessionTest, output_of_a_background_process_that_ends_soon_is_delivered) {
    send_start(shell("(echo late) & exit 0"));
    EXPECT_TRUE(receive().has_started());
    EXPECT_EQ(receive().output().data(), "late\n");
    EXPECT_TRUE(receive().has_exited());
}

TEST_F(SessionTest, command_that_closes_stdin_is_told_to_the_client) {
    send_start(shell("exec <&-; sleep 60"));
    EXPECT_TRUE(receive().has_started());
    EXPECT_TRUE(receive_any().has_stdin_gone());
}

TEST_F(SessionTest, command_without_stdin_reads_nothing) {
    proto::ExecStart start = shell("cat; readlink /proc/self/fd/0");
    start.set_no_stdin(true);
    send_start(start);
    EXPECT_TRUE(receive().has_started());
    EXPECT_EQ(receive().output().data(), "/dev/null\n");
}

TEST_F(SessionTest, command_inherits_no_descriptor_of_ours) {
    send_start(start_of({"ls", "/proc/self/fd"}));
    EXPECT_TRUE(receive().has_started());
    EXPECT_EQ(receive().output().data(), "0\n1\n2\n3\n") << "3 is the directory that ls reads";
}

TEST_F(SessionTest, reaper_that_sees_the_end_first_hands_it_over) {
    send_start(shell("exit 5"));
    siginfo_t info{};
    run_until(*loop, [&] { return ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG) == 0; });
    ASSERT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    EXPECT_TRUE(server.collect(info.si_pid));
    EXPECT_FALSE(server.collect(1));
    EXPECT_TRUE(receive().has_started());
    const auto last = receive();
    EXPECT_EQ(last.exited().code(), 5U);
}

TEST_F(SessionTest, server_at_its_limit_refuses) {
    ExecServer small(*loop, launcher, {.sessions = 1});
    auto first = sys::socket_pair(SOCK_STREAM).value();
    small.serve(std::move(first.second));
    RemoteRun second(*loop, small, start_of({"true"}));
    second.finish();
    ASSERT_NE(refused(second), nullptr);
    EXPECT_EQ(refused(second)->reason, proto::ExecRefused::INTERNAL);
}

TEST_F(SessionTest, destroyed_server_kills_its_commands) {
    auto doomed = std::make_unique<ExecServer>(*loop, launcher);
    RemoteRun run(*loop, *doomed, shell("echo $$; exec sleep 60"));
    run_until(*loop, [&] { return !run.out.empty(); });
    doomed.reset();
    EXPECT_EQ(::kill(std::stoi(run.out), 0), -1);
    run.finish();
    EXPECT_TRUE(std::holds_alternative<Lost>(*run.outcome));
}

}  // namespace
}  // namespace anchorhold::exec::test
