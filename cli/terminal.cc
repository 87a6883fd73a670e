// termios, and the guardian that puts it back.
#include "cli/terminal.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"

namespace anchorhold::cli {
namespace {

// Never returns. Holds the terminal and its end of the lifeline, and nothing else.
[[noreturn]] void guard(int terminal, int lifeline, const termios& found) {
    ::setsid();  // out of reach of Ctrl-C and of a kill of our process group
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all,
                  nullptr);  // SIGTTOU too: tcsetattr from the background is what we are for
    ::dup2(terminal, 0);
    ::dup2(lifeline, 1);
    ::syscall(SYS_close_range, 2, ~0U, 0);
    char restored = 0;
    ssize_t got = 0;
    do {
        got = ::read(1, &restored, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        ::tcsetattr(0, TCSADRAIN, &found);
    }
    ::_exit(0);
}

}  // namespace

bool is_terminal(int fd) {
    return ::isatty(fd) == 1;
}

TerminalSize terminal_size(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        return {};
    }
    return {size.ws_row, size.ws_col};
}

Result<std::unique_ptr<RawTerminal>> RawTerminal::enter(int fd) {
    termios found{};
    if (::tcgetattr(fd, &found) < 0) {
        return fail_errno("tcgetattr", "standard input");
    }
    sys::Pipe lifeline = ANCHORHOLD_TRY(sys::pipe());
    const pid_t guardian = ::fork();
    if (guardian < 0) {
        return fail_errno("fork");
    }
    if (guardian == 0) {
        guard(fd, lifeline.read_end.get(), found);
    }
    std::unique_ptr<RawTerminal> raw(
        new RawTerminal(fd, found, std::move(lifeline.write_end), guardian));
    raw->enter_again();
    return raw;
}

void RawTerminal::enter_again() {
    termios raw = found_;
    ::cfmakeraw(&raw);
    ::tcsetattr(fd_, TCSADRAIN, &raw);
}

RawTerminal::~RawTerminal() {
    ::tcsetattr(fd_, TCSADRAIN, &found_);
    [[maybe_unused]] const ssize_t told = ::write(lifeline_.get(), "r", 1);
    while (::waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace anchorhold::cli
