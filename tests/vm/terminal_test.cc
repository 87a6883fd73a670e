// `run -t` behaves like a terminal, tested with a real pseudo-terminal.
#include <gtest/gtest.h>
#include <signal.h>
#include <termios.h>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {
namespace {

// A bash in the debian image, at its prompt.
Running start_bash() {
    Running bash = Running::command(
        {"bash", "--norc"}, {"-t", "--image", "debian", "--memory", "256M", "-e", "PS1=ready> "},
        Running::Streams::kTerminal);
    EXPECT_TRUE(bash.wait_for("ready> ")) << bash.output();
    return bash;
}

TEST(Terminal, bash_edits_lines_and_exits_with_its_status) {
    Running bash = start_bash();
    bash.type("echo wrongX\x7f\x01\x1b[C\x1b[C\x1b[C\x1b[C\x1b[Cfirst-\x05\r");  // backspace, home,
                                                                                 // right, end
    EXPECT_TRUE(bash.wait_for("first-wrong\r\n")) << bash.output();
    bash.type("exit 9\r");
    EXPECT_EQ(bash.wait(), 9) << bash.output();
}

TEST(Terminal, control_c_interrupts_the_command_and_not_the_shell) {
    Running bash = start_bash();
    // It speaks from inside: a shell that has just forked may still lose the signal (bash resets
    // its handlers between fork and exec).
    bash.type("sh -c 'echo start\"\"ing; exec sleep 1000'\r");
    ASSERT_TRUE(bash.wait_for("starting\r\n")) << bash.output();
    bash.type("\x03");
    bash.type("echo status-$?\r");
    EXPECT_TRUE(bash.wait_for("status-130")) << bash.output();
    bash.type("exit\r");
    EXPECT_TRUE(bash.wait().has_value());
}

TEST(Terminal, resize_reaches_the_command) {
    Running bash = start_bash();
    bash.type("stty size\r");
    ASSERT_TRUE(bash.wait_for("24 80")) << bash.output();
    bash.type("trap 'stty size' WINCH; echo trap''ped\r");
    ASSERT_TRUE(bash.wait_for("trapped\r\n")) << bash.output();
    bash.resize(40, 132);
    bash.type("\r");
    EXPECT_TRUE(bash.wait_for("40 132")) << bash.output();
    bash.type("exit\r");
    EXPECT_TRUE(bash.wait().has_value());
}

TEST(Terminal, is_left_as_it_was_found_after_an_ordinary_end) {
    Running shell =
        Running::command({"sh", "-c", "echo here"}, {"-t"}, Running::Streams::kTerminal);
    ASSERT_TRUE(shell.wait_for("here\r\n")) << shell.output();
    termios raw{};
    EXPECT_EQ(shell.wait(), 0);
    ASSERT_EQ(::tcgetattr(shell.terminal(), &raw), 0);
    EXPECT_TRUE((raw.c_lflag & ECHO) != 0 && (raw.c_lflag & ICANON) != 0);
}

TEST(Terminal, is_left_as_it_was_found_when_anchorhold_is_killed) {
    Running shell = Running::command({"sh", "-c", "echo here; sleep 1000"}, {"-t"},
                                     Running::Streams::kTerminal);
    ASSERT_TRUE(shell.wait_for("here\r\n")) << shell.output();
    termios attributes{};
    ASSERT_EQ(::tcgetattr(shell.terminal(), &attributes), 0);
    ASSERT_EQ(attributes.c_lflag & ICANON, 0U);  // raw while it runs
    shell.signal(SIGKILL);
    EXPECT_EQ(shell.wait(), 128 + SIGKILL);
    // The guardian holds the terminal until it has restored it; end of output tells that it has.
    ASSERT_EQ(::tcgetattr(shell.terminal(), &attributes), 0);
    EXPECT_NE(attributes.c_lflag & ICANON, 0U);
}

TEST(Terminal, tty_without_a_terminal_is_refused_with_125) {
    const Completed done = run({"true"}, {"-t"});
    EXPECT_EQ(done.status, 125);
    EXPECT_NE(done.err.find("--tty"), std::string::npos) << done.err;
}

TEST(Signals, interrupt_reaches_the_command) {
    Running running = Running::command(
        {"sh", "-c", "trap 'echo caught; exit 5' INT; echo waiting; while :; do sleep 1; done"});
    ASSERT_TRUE(running.wait_for("waiting\n")) << running.output();
    running.signal(SIGINT);
    EXPECT_EQ(running.wait(), 5) << running.output();
    EXPECT_NE(running.output().find("caught"), std::string::npos);
}

TEST(Signals, second_interrupt_kills_the_sandbox) {
    Running running = Running::command(
        {"sh", "-c", "trap 'echo ignored' INT; echo waiting; while :; do sleep 1; done"});
    ASSERT_TRUE(running.wait_for("waiting\n")) << running.output();
    running.signal(SIGINT);
    ASSERT_TRUE(running.wait_for("ignored\n")) << running.output();
    running.signal(SIGINT);
    EXPECT_EQ(running.wait(), 128 + SIGINT) << running.output();
}

}  // namespace
}  // namespace anchorhold::vm_test
