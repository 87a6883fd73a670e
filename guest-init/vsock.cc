// vsock(7).
#include "guest-init/vsock.h"

#include <linux/vm_sockets.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/log.h"
#include "proto/ports.h"

namespace anchorhold::guest_init {
namespace {

constexpr int kBacklog = 128;

sockaddr_vm address_of(uint64_t cid, uint32_t port) {
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = static_cast<unsigned int>(cid);
    address.svm_port = port;
    return address;
}

std::string name_of(uint32_t port) {
    return "vsock port " + std::to_string(port);
}

}  // namespace

Result<OwnFd> listen_vsock(uint32_t port) {
    OwnFd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
    if (!socket.valid()) {
        return fail_errno("socket", name_of(port));
    }
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail_errno("bind", name_of(port));
    }
    if (::listen(socket.get(), kBacklog) < 0) {
        return fail_errno("listen", name_of(port));
    }
    return socket;
}

Result<OwnFd> connect_to_host(uint32_t port) {
    OwnFd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_vm address = address_of(proto::kHostCid, port);
    if (!socket.valid()) {
        return fail_errno("socket", name_of(port));
    }
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail_errno("connect to the host", name_of(port));
    }
    return socket;
}

Status accept_from_host(EventLoop& loop, int listener, std::function<void(OwnFd)> handler) {
    return loop.add(listener, EPOLLIN, [listener, handler = std::move(handler)](uint32_t) {
        sockaddr_vm peer{};
        socklen_t size = sizeof peer;
        OwnFd stream(::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size,
                               SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!stream.valid()) {
            if (errno != EAGAIN) {
                log::error("accept: {}", errno_text(errno));
            }
            return;
        }
        if (size == sizeof peer && peer.svm_family == AF_VSOCK && peer.svm_cid == proto::kHostCid) {
            handler(std::move(stream));
        }
    });
}

}  // namespace anchorhold::guest_init
