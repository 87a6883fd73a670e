// A real pseudo-terminal: what a user sits at, and what a program gets.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <cstring>

#include "base/fd.h"

namespace anchorhold::cli {

struct PseudoTerminal {
    OwnFd user;
    OwnFd program;

    PseudoTerminal() : user(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        EXPECT_EQ(::grantpt(user.get()), 0);
        EXPECT_EQ(::unlockpt(user.get()), 0);
        program.reset(::ioctl(user.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
        EXPECT_TRUE(program.valid());
    }

    [[nodiscard]] termios settings() const {
        termios found{};
        EXPECT_EQ(::tcgetattr(program.get(), &found), 0);
        return found;
    }
    [[nodiscard]] bool is_raw() const { return (settings().c_lflag & (ICANON | ECHO | ISIG)) == 0; }
};

// Field by field: the structure has padding.
inline bool same(const termios& a, const termios& b) {
    return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag &&
           a.c_lflag == b.c_lflag && std::memcmp(a.c_cc, b.c_cc, sizeof a.c_cc) == 0;
}

}  // namespace anchorhold::cli
