// pty(7), with the peer opened by descriptor so that no name in /dev/pts is trusted.
#include "exec/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.h"

namespace anchorhold::exec {

Result<Terminal> open_terminal(uid_t owner, TerminalSize size) {
    Terminal terminal;
    terminal.master = ANCHORHOLD_TRY(sys::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
    int unlocked = 0;
    if (::ioctl(terminal.master.get(), TIOCSPTLCK, &unlocked) < 0) {
        return fail_errno("ioctl TIOCSPTLCK", "/dev/ptmx");
    }
    terminal.peer.reset(::ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.peer.valid()) {
        return fail_errno("ioctl TIOCGPTPEER", "/dev/ptmx");
    }
    if (::fchown(terminal.peer.get(), owner, static_cast<gid_t>(-1)) < 0) {
        return fail_errno("fchown", "pseudo-terminal");
    }
    termios modes{};
    if (::tcgetattr(terminal.peer.get(), &modes) == 0) {
        modes.c_iflag |= IUTF8;
        ::tcsetattr(terminal.peer.get(), TCSANOW, &modes);
    }
    ANCHORHOLD_TRY(resize_terminal(terminal.master.get(), size));
    return terminal;
}

Status resize_terminal(int master, TerminalSize size) {
    winsize window{};
    window.ws_row = static_cast<uint16_t>(std::min<uint32_t>(size.rows, UINT16_MAX));
    window.ws_col = static_cast<uint16_t>(std::min<uint32_t>(size.columns, UINT16_MAX));
    if (::ioctl(master, TIOCSWINSZ, &window) < 0) {
        return fail_errno("ioctl TIOCSWINSZ", "pseudo-terminal");
    }
    return {};
}

char end_of_file_character(int master) {
    termios modes{};
    if (::tcgetattr(master, &modes) < 0 || (modes.c_lflag & ICANON) == 0) {
        return '\0';
    }
    return static_cast<char>(modes.c_cc[VEOF]);
}

}  // namespace anchorhold::exec
