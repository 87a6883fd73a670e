// Whose connection is it: the program behind the other end of a captured connection. A guess that
// is told to the host as a claim; nothing depends on it.
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/fd.h"

namespace anchorhold::guest_init {

struct ClientProcess {
    pid_t pid = 0;    // 0: not found
    uid_t uid = 0;    // of the socket
    std::string exe;  // at most 255 bytes; empty: not found
};

// Asks the kernel for the socket's inode (sock_diag(7)) and looks for a process that holds it. The
// search goes through /proc, so it begins with the processes found last, and all searches together
// may read only so many links a second: an agent with many descriptors and many connections loses
// its names, not its init.
class ClientProcessFinder {
  public:
    static constexpr size_t kLinksPerSecond = 20000;

    // `proc` is where proc(5) is mounted; `clock` outlives the finder.
    explicit ClientProcessFinder(const Clock& clock, std::string proc = "/proc");

    // `client` and `destination` are the peer's and our own address of an accepted connection, as
    // getpeername(2) and getsockname(2) say them for an AF_INET6 socket.
    [[nodiscard]] ClientProcess find(const sockaddr_in6& client, const sockaddr_in6& destination);

  private:
    [[nodiscard]] pid_t holder_of(uint64_t inode);
    [[nodiscard]] bool holds(pid_t pid, uint64_t inode);

    const Clock& clock_;
    std::string proc_;
    OwnFd diagnosis_;  // NETLINK_SOCK_DIAG; empty where the kernel has none
    std::array<pid_t, 8> recent_{};
    size_t links_left_ = kLinksPerSecond;
    TimePoint refilled_;
};

}  // namespace anchorhold::guest_init
