// The child of spawn_test: says on standard output what it was given, then ends as it was told.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "base/jail.h"

namespace {

using enum anchorhold::Jailed;

constexpr int kHighestFd = 4096;

// "0=<inode> 1=<inode> …" of every open descriptor, nothing else opened meanwhile.
void say_descriptors() {
    for (int fd = 0; fd < kHighestFd; ++fd) {
        struct stat status {};
        if (::fstat(fd, &status) == 0) {
            std::printf("%d=%lu%s ", fd, static_cast<unsigned long>(status.st_ino),
                        (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? "!" : "");
        }
    }
}

void say_signals() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("SigBlk:") || line.starts_with("SigIgn:")) {
            std::cout << line << '\n';
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view wish = argc > 1 ? argv[1] : "";
    if (wish == "descriptors") {
        say_descriptors();
    } else if (wish == "signals") {
        say_signals();
    } else if (wish == "session") {
        std::cout << (::getsid(0) == ::getpid() ? "own" : "inherited");
    } else if (wish == "jail") {
        const auto jailed =
            anchorhold::enter_jail({.namespaces = CLONE_NEWNET, .user = 1234, .limits = {}});
        std::cout << ::getpid() << (!jailed ? " failed" : *jailed == kApart ? " apart" : " beside");
    } else if (wish == "arguments") {
        for (int i = 0; i < argc; ++i) {
            std::cout << argv[i] << '\n';
        }
        for (char** variable = environ; *variable != nullptr; ++variable) {
            std::cout << "env " << *variable << '\n';
        }
    } else if (wish == "exit") {
        return std::atoi(argv[2]);
    } else if (wish == "kill") {
        ::raise(std::atoi(argv[2]));
    } else if (wish == "stay") {
        std::cout << "here" << std::flush;
        for (;;) {
            ::pause();
        }
    }
    return 0;
}
