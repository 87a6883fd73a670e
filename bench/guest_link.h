// How the host and a guest of another VMM reach each other: AF_VSOCK, or the unix sockets that
// stand for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::bench {

class GuestLink {
  public:
    GuestLink() = default;
    virtual ~GuestLink() = default;
    GuestLink(const GuestLink&) = delete;
    GuestLink& operator=(const GuestLink&) = delete;

    // A nonblocking listener for connections that the guest opens to `port` of CID 2. Before the
    // VMM starts.
    virtual Result<OwnFd> listen(uint32_t port) = 0;
    // Whether a connection accepted from that listener may be this guest's.
    virtual Status check_peer(int accepted) = 0;
    // Opens a stream to a listening port in the guest; waits for at most kConnectSeconds.
    virtual Result<OwnFd> connect(uint32_t port) = 0;
};

constexpr long kConnectSeconds = 30;

// The host kernel's vsock (vsock(7)) with a guest of this CID.
[[nodiscard]] std::unique_ptr<GuestLink> make_vsock_link(uint32_t guest_cid);

// Firecracker's scheme, also Cloud Hypervisor's: the guest's connections arrive at the unix socket
// <path>_<port>; the host connects to <path> and sends "CONNECT <port>\n", answered by "OK
// <port>\n". Removes its sockets at the end.
[[nodiscard]] std::unique_ptr<GuestLink> make_unix_link(std::string path);

}  // namespace anchorhold::bench
