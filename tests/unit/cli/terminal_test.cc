// A real terminal goes raw and comes back as it was, whether its owner ends well or is killed.
#include "cli/terminal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/sys.h"
#include "pseudo_terminal.h"

namespace anchorhold::cli {
namespace {

// Ends a process that has made the terminal raw by this signal, and waits for the guardian it
// leaves behind: orphaned, it is ours to reap.
void end_owner_by(int signal, const PseudoTerminal& terminal) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    sys::Pipe said = sys::pipe().value();
    const pid_t owner = ::fork();
    ASSERT_GE(owner, 0);
    if (owner == 0) {
        const auto raw = RawTerminal::enter(terminal.program.get());
        [[maybe_unused]] const Status told = sys::write_all(said.write_end.get(), raw ? "r" : "f");
        for (;;) {
            ::pause();
        }
    }
    std::array<std::byte, 1> byte{};
    ASSERT_EQ(sys::read_some(said.read_end.get(), byte).value(), 1U);
    EXPECT_EQ(byte[0], std::byte{'r'});
    EXPECT_TRUE(terminal.is_raw());
    ASSERT_EQ(::kill(owner, signal), 0);
    while (::waitpid(-1, nullptr, 0) > 0) {  // owner and guardian
    }
    EXPECT_EQ(errno, ECHILD);
}

TEST(RawTerminal, terminal_is_raw_while_it_lives_and_as_found_afterwards) {
    const PseudoTerminal terminal;
    termios unusual = terminal.settings();
    unusual.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    unusual.c_cc[VINTR] = 7;
    ASSERT_EQ(::tcsetattr(terminal.program.get(), TCSANOW, &unusual), 0);
    const termios found = terminal.settings();
    {
        const auto raw = RawTerminal::enter(terminal.program.get()).value();
        EXPECT_TRUE(terminal.is_raw());
    }
    EXPECT_TRUE(same(terminal.settings(), found));
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "the guardian was not reaped";
    EXPECT_EQ(errno, ECHILD);
}

TEST(RawTerminal, enter_again_makes_it_raw_after_a_shell_had_it) {
    const PseudoTerminal terminal;
    const termios found = terminal.settings();
    {
        const auto raw = RawTerminal::enter(terminal.program.get()).value();
        ASSERT_EQ(::tcsetattr(terminal.program.get(), TCSANOW, &found), 0);
        EXPECT_FALSE(terminal.is_raw());
        raw->enter_again();
        EXPECT_TRUE(terminal.is_raw());
    }
    EXPECT_TRUE(same(terminal.settings(), found));
}

TEST(RawTerminal, owner_killed_leaves_the_terminal_as_found_and_no_guardian) {
    for (const int signal : {SIGKILL, SIGTERM, SIGABRT}) {
        const PseudoTerminal terminal;
        const termios found = terminal.settings();
        end_owner_by(signal, terminal);
        EXPECT_TRUE(same(terminal.settings(), found)) << "signal " << signal;
    }
}

TEST(RawTerminal, of_what_is_no_terminal_is_an_error_and_leaves_no_guardian) {
    const sys::Pipe ends = sys::pipe().value();
    const auto raw = RawTerminal::enter(ends.read_end.get());
    ASSERT_FALSE(raw);
    EXPECT_EQ(raw.error().message, "tcgetattr standard input: Inappropriate ioctl for device");
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(TerminalSize, is_the_windows_or_a_usual_one_where_it_does_not_say) {
    const PseudoTerminal terminal;
    TerminalSize size = terminal_size(terminal.program.get());  // a new one has 0 rows
    EXPECT_EQ(size.rows, 24U);
    EXPECT_EQ(size.columns, 80U);
    const winsize window{50, 132, 0, 0};
    ASSERT_EQ(::ioctl(terminal.user.get(), TIOCSWINSZ, &window), 0);
    size = terminal_size(terminal.program.get());
    EXPECT_EQ(size.rows, 50U);
    EXPECT_EQ(size.columns, 132U);
    EXPECT_EQ(terminal_size(-1).rows, 24U);
}

TEST(IsTerminal, tells_a_terminal_from_a_pipe) {
    const PseudoTerminal terminal;
    const sys::Pipe ends = sys::pipe().value();
    EXPECT_TRUE(is_terminal(terminal.program.get()));
    EXPECT_FALSE(is_terminal(ends.read_end.get()));
    EXPECT_FALSE(is_terminal(-1));
}

}  // namespace
}  // namespace anchorhold::cli
