// One packet out, one packet with at most one descriptor back; answers come in any order.
#include "proxy/dialer_link.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address_text.h"
#include "proto/frame.h"

namespace anchorhold::proxy {
namespace {

policy::Reason reason_of(proto::DialAnswer::Outcome outcome) {
    switch (outcome) {
        case proto::DialAnswer::CONNECTED:
            return policy::Reason::none;
        case proto::DialAnswer::NOT_LISTED:
        case proto::DialAnswer::FORBIDDEN_ADDRESS:
            return policy::Reason::forbidden_address;
        case proto::DialAnswer::TOO_MANY:
            return policy::Reason::unavailable;
        default:
            return policy::Reason::unreachable;
    }
}

// What the dialer hands over must be a connected TCP socket and nothing else.
bool is_tcp_stream(int fd) {
    int type = 0;
    int protocol = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
           protocol == IPPROTO_TCP;
}

Dialed unavailable() {
    return {{}, policy::Reason::unavailable, "the dialer is not there", {}};
}

}  // namespace

DialerLink::DialerLink(asio::io_context& context, OwnFd channel) : context_(context) {
    replace(std::move(channel));
}

void DialerLink::replace(OwnFd channel) {
    lose();
    channel_ = std::make_shared<PacketChannel>(context_, std::move(channel));
    asio::co_spawn(context_, receive(channel_), asio::detached);
}

void DialerLink::lose() {
    if (channel_) {
        std::exchange(channel_, nullptr)->close();
    }
    for (const auto& [id, wake] : std::exchange(open_, {})) {
        wake->tell(unavailable());
    }
}

asio::awaitable<Dialed> DialerLink::dial(const std::string& host,
                                         std::span<const unsigned char> address, uint16_t port) {
    proto::Dial request;
    request.set_id(next_++);
    request.set_host(host);
    request.set_address(address.data(), address.size());
    request.set_port(port);
    const auto wake = Wake<Dialed>::create();
    open_[request.id()] = wake;
    for (;;) {
        const auto channel = channel_;
        const Status sent =
            channel ? channel->send(request.SerializeAsString()) : fail("the dialer is not there");
        if (sent) {
            break;
        }
        if (sent.error().code != EAGAIN) {
            open_.erase(request.id());
            co_return unavailable();
        }
        co_await channel->wait_writable();
    }
    co_return co_await wake->wait();
}

asio::awaitable<void> DialerLink::receive(std::shared_ptr<PacketChannel> channel) {
    while (auto packet = co_await channel->receive()) {
        const auto answer = proto::parse<proto::DialAnswer>(packet->bytes, "the dialer's answer");
        if (!answer) {
            break;
        }
        const auto found = open_.find(answer->id());
        if (found == open_.end()) {
            break;
        }
        Dialed dialed;
        dialed.reason = reason_of(answer->outcome());
        dialed.detail = answer->detail();
        dialed.address = address_text(std::as_bytes(std::span(answer->address())));
        if (dialed.reason == policy::Reason::none) {
            if (packet->fds.size() != 1 || !is_tcp_stream(packet->fds[0].get())) {
                break;
            }
            dialed.socket = std::move(packet->fds[0]);
        }
        found->second->tell(std::move(dialed));
        open_.erase(found);
    }
    if (channel == channel_) {
        lose();
    }
}

}  // namespace anchorhold::proxy
