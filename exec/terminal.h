// A pseudo-terminal for one command.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::exec {

struct Terminal {
    OwnFd master;  // nonblocking, ours
    OwnFd peer;    // the command's side; close it once the command was started
};

struct TerminalSize {
    uint32_t rows = 0;  // 0: unknown, as in TIOCSWINSZ
    uint32_t columns = 0;
};

// A new terminal that belongs to `owner`, in the canonical mode of a fresh tty, UTF-8 aware. Needs
// /dev/ptmx.
[[nodiscard]] Result<Terminal> open_terminal(uid_t owner, TerminalSize size);

// TIOCSWINSZ: the foreground process group gets SIGWINCH when the size changed. Sizes are cut at
// 65535.
Status resize_terminal(int master, TerminalSize size);

// The character that means end of file on this terminal now (VEOF), or 0 where it has none or is in
// raw mode.
[[nodiscard]] char end_of_file_character(int master);

}  // namespace anchorhold::exec
