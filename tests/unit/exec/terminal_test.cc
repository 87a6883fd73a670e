// Commands under a pseudo-terminal.
#include "exec/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "exec_rig.h"

namespace anchorhold::exec::test {
namespace {

class TerminalTest : public ExecTest {
  protected:
    static proto::ExecStart in_terminal(proto::ExecStart start) {
        start.mutable_terminal()->set_rows(24);
        start.mutable_terminal()->set_columns(80);
        start.set_terminal_type("xterm");
        return start;
    }
};

TEST_F(TerminalTest, command_has_a_terminal_of_the_asked_size) {
    RemoteRun run(
        *loop, server,
        in_terminal(shell("test -t 0 && test -t 1 && test -t 2 && stty size && echo $TERM")));
    run.finish();
    EXPECT_EQ(run.out, "24 80\r\nxterm\r\n");
    EXPECT_EQ(exited(run)->code, 0);
}

TEST_F(TerminalTest, terminal_is_the_controlling_one) {
    RemoteRun run(*loop, server, in_terminal(shell("echo hello > /dev/tty")));
    run.finish();
    EXPECT_EQ(run.out, "hello\r\n");
}

TEST_F(TerminalTest, resize_reaches_the_command) {
    RemoteRun run(*loop, server,
                  in_terminal(shell(
                      "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done")));
    run_until(*loop, [&] { return run.out == "ready\r\n"; });
    run.client->resize(50, 132);
    run.finish();
    EXPECT_EQ(run.out, "ready\r\n50 132\r\n");
}

TEST_F(TerminalTest, interrupt_character_ends_the_foreground_command) {
    RemoteRun run(*loop, server, in_terminal(shell("echo ready; exec sleep 60")));
    run_until(*loop, [&] { return run.out == "ready\r\n"; });
    run.type("\x03");
    run.finish();
    EXPECT_EQ(exited(run)->signal, SIGINT);
}

TEST_F(TerminalTest, end_of_stdin_is_the_end_of_file_character) {
    RemoteRun run(*loop, server, in_terminal(start_of({"cat"})), "line\n");
    run.finish();
    EXPECT_EQ(exited(run)->code, 0);
    EXPECT_EQ(run.out, "line\r\nline\r\n") << "echo, then cat";
}

TEST_F(TerminalTest, lost_stream_hangs_the_terminal_up) {
    RemoteRun run(*loop, server, in_terminal(shell("echo ready; exec sleep 60")));
    run_until(*loop, [&] { return run.out == "ready\r\n"; });
    run.client.reset();
    run_until(*loop, [&] { return server.sessions() == 0; });
}

TEST_F(TerminalTest, job_control_works_in_bash) {
    RemoteRun run(*loop, server, in_terminal(start_of({"bash", "--norc", "--noprofile", "-i"})));
    run.type("sleep 60 & kill %1; wait %1; echo status $?; exit\n");
    run.finish();
    EXPECT_NE(run.out.find("status 143"), std::string::npos) << run.out;
    EXPECT_EQ(run.out.find("no job control"), std::string::npos) << run.out;
}

TEST(Terminal, sizes_beyond_sixteen_bits_are_cut) {
    const auto terminal = open_terminal(::getuid(), {.rows = 1 << 20, .columns = 80});
    ASSERT_TRUE(terminal.has_value()) << terminal.error().message;
    winsize size{};
    ASSERT_EQ(::ioctl(terminal->master.get(), TIOCGWINSZ, &size), 0);
    EXPECT_EQ(size.ws_row, UINT16_MAX);
}

}  // namespace
}  // namespace anchorhold::exec::test
