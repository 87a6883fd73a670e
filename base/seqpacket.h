// Messages with descriptors over an AF_UNIX SOCK_SEQPACKET socket: one message a packet, fds by
// SCM_RIGHTS.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold {

// The most descriptors a packet may carry (the kernel's SCM_MAX_FD is 253).
constexpr size_t kMaxPacketFds = 32;
// The largest packet either side accepts, in bytes.
constexpr size_t kMaxPacketSize = 4096;

struct Packet {
    std::string bytes;
    std::vector<OwnFd> fds;  // close-on-exec
};

// Sends one packet. The descriptors stay the caller's. Error code EAGAIN when the socket's buffer
// is full; EMSGSIZE when too large.
[[nodiscard]] Status send_packet(int socket, std::string_view bytes, std::span<const int> fds = {});

// Receives one packet, waiting if the socket blocks. nullopt when it would block. A packet with no
// bytes is end of file and comes back empty. A truncated packet or one with too many descriptors is
// an error and its descriptors are closed.
[[nodiscard]] Result<std::optional<Packet>> receive_packet(int socket);

}  // namespace anchorhold
