// accept, getsockname, connect, relay.
#include "guest-init/egress/capture.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "guest-init/egress/local_routes.h"
#include "proto/frame.h"
#include "proto/ports.h"

namespace anchorhold::guest_init {
namespace {

constexpr uint16_t kListenPort = 1;
constexpr int kBacklog = 1024;
constexpr int kAcceptsPerTurn = 32;
// Without a bound of its own each connection's buffers grow to megabytes of init's.
constexpr int kSocketBuffer = 128 * 1024;
// When descriptors or memory run out.
constexpr Duration kBackOff = std::chrono::milliseconds(100);

std::optional<Ipv4Address> mapped_address(const in6_addr& address) {
    if (!IN6_IS_ADDR_V4MAPPED(&address)) {
        return std::nullopt;
    }
    Ipv4Address result;
    std::memcpy(result.data(), address.s6_addr + 12, result.size());
    return result;
}

// Reached without steering: somebody connected to the listener itself.
bool is_own(const in6_addr& address, const std::optional<Ipv4Address>& v4) {
    if (v4) {
        return (*v4)[0] == 127 || std::equal(v4->begin(), v4->end(), std::begin(kOwnAddress));
    }
    return IN6_IS_ADDR_LOOPBACK(&address);
}

void close_with_reset(OwnFd socket) {
    const linger now{1, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

Result<OwnFd> listen_for_captured() {
    OwnFd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) {
        return fail_errno("socket", "egress listener");
    }
    const int off = 0;
    if (::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0 ||
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer) <
            0 ||
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer) <
            0) {
        return fail_errno("setsockopt", "egress listener");
    }
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(kListenPort);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
        return fail_errno("bind", "egress listener");
    }
    if (::listen(socket.get(), kBacklog) < 0) {
        return fail_errno("listen", "egress listener");
    }
    return socket;
}

Capture::Capture(EventLoop& loop, int listener, HostConnector& host, SyntheticNames& names)
    : loop_(loop), listener_(listener), host_(host), names_(names), processes_(loop.clock()) {}

Capture::~Capture() {
    loop_.cancel_timer(pause_);
    if (listening_) {
        loop_.remove(listener_);
    }
}

Status Capture::start() {
    ANCHORHOLD_TRY(loop_.add(listener_, EPOLLIN, [this](uint32_t) { on_acceptable(); }));
    listening_ = true;
    return {};
}

void Capture::hold() {
    held_ = true;
    update_listening();
    for (const Connection& connection : connections_) {
        connection.relay->reset();
    }
}

void Capture::release() {
    held_ = false;
    update_listening();
}

void Capture::on_acceptable() {
    for (int i = 0; i < kAcceptsPerTurn && connections_.size() < kMaxConnections; ++i) {
        OwnFd agent(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (agent.valid()) {
            take(std::move(agent));
        } else if (errno == EAGAIN) {
            break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_for_a_moment();
            break;
        }
    }
    update_listening();
}

void Capture::pause_for_a_moment() {
    if (pause_ == 0) {
        pause_ = loop_.add_timer(kBackOff, [this] {
            pause_ = 0;
            update_listening();
        });
    }
}

void Capture::update_listening() {
    const bool wanted = connections_.size() < kMaxConnections && pause_ == 0 && !held_;
    if (wanted == listening_) {
        return;
    }
    if (!wanted) {
        loop_.remove(listener_);
        listening_ = false;
    } else if (!start()) {
        pause_for_a_moment();
    }
}

std::optional<proto::StreamOpen> Capture::describe(int agent, std::optional<Ipv4Address>& named) {
    sockaddr_in6 destination{};
    sockaddr_in6 client{};
    socklen_t size = sizeof destination;
    if (::getsockname(agent, reinterpret_cast<sockaddr*>(&destination), &size) < 0 ||
        size != sizeof destination ||
        ::getpeername(agent, reinterpret_cast<sockaddr*>(&client), &size) < 0 ||
        size != sizeof client) {
        return std::nullopt;
    }
    const auto v4 = mapped_address(destination.sin6_addr);
    const uint16_t port = ntohs(destination.sin6_port);
    if (is_own(destination.sin6_addr, v4) || port == 0) {
        return std::nullopt;
    }
    proto::StreamOpen open;
    if (v4 && SyntheticNames::in_range(*v4)) {
        auto name = names_.name_of(*v4);
        if (!name) {
            return std::nullopt;  // an answer of long ago: it stands for nobody any more
        }
        open.set_host(*std::move(name));
        named = v4;
    } else if (v4) {
        open.set_address(v4->data(), v4->size());
    } else {
        open.set_address(destination.sin6_addr.s6_addr, sizeof destination.sin6_addr.s6_addr);
    }
    open.set_port(port);
    ClientProcess process = processes_.find(client, destination);
    open.set_exe(std::move(process.exe));
    open.set_pid(static_cast<uint32_t>(process.pid));
    open.set_uid(process.uid);
    return open;
}

void Capture::take(OwnFd agent) {
    std::optional<Ipv4Address> named;
    const auto open = describe(agent.get(), named);
    if (!open) {
        close_with_reset(std::move(agent));
        return;
    }
    auto host = host_.connect(proto::kEgressPort);
    if (!host) {
        close_with_reset(std::move(agent));
        return;
    }
    std::string preamble;
    proto::append_frame(preamble, *open);
    const auto connection = connections_.emplace(connections_.end());
    connection->relay =
        std::make_unique<Relay>(loop_, buffers_, std::move(agent), *std::move(host),
                                std::move(preamble), [this, connection] { end(connection); });
    if (!connection->relay->start()) {
        connections_.erase(connection);
        return;
    }
    if (named) {
        names_.hold(*named);
        connection->held = named;
    }
}

void Capture::end(Connections::iterator connection) {
    // Later: the relay is on the stack.
    loop_.post([this, connection, alive = std::weak_ptr(alive_)] {
        if (alive.expired()) {
            return;
        }
        if (connection->held) {
            names_.release(*connection->held);
        }
        connections_.erase(connection);
        update_listening();
    });
}

}  // namespace anchorhold::guest_init
