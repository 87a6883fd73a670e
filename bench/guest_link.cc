// Connecting blocks: a start has nothing else to do meanwhile, and the guest answers at once or
// never.
#include "bench/guest_link.h"

#include <fmt/format.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::bench {
namespace {

constexpr int kBacklog = 4;
constexpr timeval kPatience{.tv_sec = kConnectSeconds, .tv_usec = 0};

template <typename Address>
const sockaddr* generic(const Address& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

Result<OwnFd> make_socket(int family, int type) {
    OwnFd made(::socket(family, type | SOCK_CLOEXEC, 0));
    if (!made.valid()) {
        return fail_errno("socket",
                          family == AF_VSOCK ? "AF_VSOCK (modprobe vhost_vsock)" : "AF_UNIX");
    }
    return made;
}

template <typename Address>
Result<OwnFd> listen_at(int family, const Address& address, const std::string& name) {
    OwnFd listener = ANCHORHOLD_TRY(make_socket(family, SOCK_STREAM | SOCK_NONBLOCK));
    if (::bind(listener.get(), generic(address), sizeof address) != 0) {
        return fail_errno("bind", name);
    }
    if (::listen(listener.get(), kBacklog) != 0) {
        return fail_errno("listen", name);
    }
    return listener;
}

class VsockLink final : public GuestLink {
  public:
    explicit VsockLink(uint32_t guest_cid) : guest_cid_(guest_cid) {}

    Result<OwnFd> listen(uint32_t port) override {
        return listen_at(AF_VSOCK, address(VMADDR_CID_ANY, port),
                         fmt::format("vsock port {}", port));
    }

    Status check_peer(int accepted) override {
        sockaddr_vm peer{};
        socklen_t size = sizeof peer;
        if (::getpeername(accepted, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
            return fail_errno("getpeername", "vsock");
        }
        if (peer.svm_cid != guest_cid_) {
            return fail(fmt::format("a stranger with CID {} connected, not the guest {}",
                                    peer.svm_cid, guest_cid_));
        }
        return {};
    }

    Result<OwnFd> connect(uint32_t port) override {
        OwnFd stream = ANCHORHOLD_TRY(make_socket(AF_VSOCK, SOCK_STREAM));
        ::setsockopt(stream.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &kPatience,
                     sizeof kPatience);
        const sockaddr_vm guest = address(guest_cid_, port);
        if (::connect(stream.get(), generic(guest), sizeof guest) != 0) {
            return fail_errno("connect",
                              fmt::format("vsock port {} of guest {}", port, guest_cid_));
        }
        return stream;
    }

  private:
    static sockaddr_vm address(uint32_t cid, uint32_t port) {
        sockaddr_vm result{};
        result.svm_family = AF_VSOCK;
        result.svm_cid = cid;
        result.svm_port = port;
        return result;
    }

    uint32_t guest_cid_;
};

class UnixLink final : public GuestLink {
  public:
    explicit UnixLink(std::string path) : path_(std::move(path)) {}
    ~UnixLink() override {
        ::unlink(path_.c_str());
        for (const std::string& listener : listeners_) {
            ::unlink(listener.c_str());
        }
    }

    Result<OwnFd> listen(uint32_t port) override {
        ::unlink(path_.c_str());  // of the VMM before: the next one wants to bind it
        const std::string path = fmt::format("{}_{}", path_, port);
        ::unlink(path.c_str());
        const sockaddr_un where = ANCHORHOLD_TRY(address(path));
        OwnFd listener = ANCHORHOLD_TRY(listen_at(AF_UNIX, where, path));
        listeners_.push_back(path);
        return listener;
    }

    Status check_peer(int) override { return {}; }

    Result<OwnFd> connect(uint32_t port) override {
        OwnFd stream = ANCHORHOLD_TRY(make_socket(AF_UNIX, SOCK_STREAM));
        ::setsockopt(stream.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
        const sockaddr_un where = ANCHORHOLD_TRY(address(path_));
        if (::connect(stream.get(), generic(where), sizeof where) != 0) {
            return fail_errno("connect", path_);
        }
        ANCHORHOLD_TRY(sys::write_all(stream.get(), fmt::format("CONNECT {}\n", port)));
        const std::string answer = ANCHORHOLD_TRY(read_line(stream.get()));
        if (!answer.starts_with("OK ")) {
            return fail(fmt::format("{}: the VMM refused port {}: '{}'", path_, port,
                                    log::escaped(answer, 80)));
        }
        return stream;
    }

  private:
    static Result<sockaddr_un> address(const std::string& path) {
        sockaddr_un result{};
        result.sun_family = AF_UNIX;
        if (path.size() >= sizeof result.sun_path) {
            return fail(fmt::format("socket {}: longer than {} bytes; set TMPDIR to a shorter path",
                                    path, sizeof result.sun_path - 1));
        }
        std::memcpy(result.sun_path, path.data(), path.size());
        return result;
    }

    // One byte at a time: what follows the line is already the guest's.
    Result<std::string> read_line(int stream) const {
        constexpr size_t kLongest = 64;
        std::string line;
        std::array<std::byte, 1> byte{};
        while (line.size() < kLongest) {
            const auto count = ANCHORHOLD_TRY(sys::read_some(stream, byte));
            if (!count) {
                return fail(
                    fmt::format("{}: the VMM did not answer within {} s", path_, kConnectSeconds));
            }
            if (*count == 0 || byte[0] == std::byte{'\n'}) {
                return line;
            }
            line.push_back(static_cast<char>(byte[0]));
        }
        return fail(path_ + ": the VMM's answer is too long");
    }

    std::string path_;
    std::vector<std::string> listeners_;
};

}  // namespace

std::unique_ptr<GuestLink> make_vsock_link(uint32_t guest_cid) {
    return std::make_unique<VsockLink>(guest_cid);
}

std::unique_ptr<GuestLink> make_unix_link(std::string path) {
    return std::make_unique<UnixLink>(std::move(path));
}

}  // namespace anchorhold::bench
