// connect(2) without waiting.
#include "guest-init/egress/host_connector.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <string>

#include "proto/ports.h"

namespace anchorhold::guest_init {
namespace {

// The kernel's default of 2 s is short where the host itself is emulated.
constexpr timeval kPatience{30, 0};
// What the host may have on its way to us for each connection: with a thousand of them it must fit
// into a small guest's memory.
constexpr uint64_t kReceiveBuffer = 64 * 1024;

}  // namespace

Result<OwnFd> VsockConnector::connect(uint32_t port) {
    const std::string name = "vsock port " + std::to_string(port);
    OwnFd stream(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!stream.valid()) {
        return fail_errno("socket", name);
    }
    if (::setsockopt(stream.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &kPatience,
                     sizeof kPatience) < 0 ||
        ::setsockopt(stream.get(), AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &kReceiveBuffer,
                     sizeof kReceiveBuffer) < 0) {
        return fail_errno("setsockopt", name);
    }
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = static_cast<unsigned int>(proto::kHostCid);
    address.svm_port = port;
    if (::connect(stream.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 &&
        errno != EINPROGRESS) {
        return fail_errno("connect", name);
    }
    return stream;
}

}  // namespace anchorhold::guest_init
