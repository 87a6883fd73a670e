// The user's terminal in raw mode, and back as it was found, whatever happens to us.
#pragma once

#include <termios.h>

#include <cstdint>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "base/spawn.h"

namespace anchorhold::cli {

struct TerminalSize {
    uint32_t rows = 24;
    uint32_t columns = 80;
};

[[nodiscard]] bool is_terminal(int fd);
// 24 x 80 where the terminal does not say.
[[nodiscard]] TerminalSize terminal_size(int fd);

// Raw mode from construction to destruction. A small guardian process waits beside us: when we die
// without a destructor (SIGKILL, abort) it restores the terminal and ends.
class RawTerminal {
  public:
    // `fd` is borrowed and must be a terminal.
    static Result<std::unique_ptr<RawTerminal>> enter(int fd);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    // Raw mode again, after the shell had the terminal in between (SIGCONT).
    void enter_again();

  private:
    RawTerminal(int fd, const termios& found, OwnFd lifeline, pid_t guardian)
        : fd_(fd), found_(found), lifeline_(std::move(lifeline)), guardian_(guardian) {}

    int fd_;
    termios found_;
    OwnFd lifeline_;  // the guardian's sign that we live; a byte on it means that we have restored
                      // the terminal
    pid_t guardian_;
};

}  // namespace anchorhold::cli
