// Frames of requests in, frames of status out.
#include "machine/control_peer.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "base/sys.h"

namespace anchorhold::machine {

ControlPeer::ControlPeer(EventLoop& loop, OwnFd socket, OnRequest on_request, OnGone on_gone)
    : loop_(loop),
      socket_(std::move(socket)),
      on_request_(std::move(on_request)),
      on_gone_(std::move(on_gone)) {}

ControlPeer::~ControlPeer() {
    loop_.remove(socket_.get());
}

Status ControlPeer::start() {
    return loop_.add(socket_.get(), EPOLLIN, [this](uint32_t) { read(); });
}

void ControlPeer::read() {
    std::byte bytes[512];
    const auto got = sys::read_some(socket_.get(), bytes);
    if (got && !got->has_value()) {
        return;
    }
    if (!got || **got == 0) {
        on_gone_(*this);
        return;
    }
    reader_.feed(std::span(bytes, **got));
    for (;;) {
        const auto message = reader_.next();
        if (message && !message->has_value()) {
            return;
        }
        const auto request = message ? proto::parse<proto::RelayRequest>(**message, "request")
                                     : Result<proto::RelayRequest>(fail(message.error().message));
        if (!request) {
            on_gone_(*this);
            return;
        }
        on_request_(*this, *request);
    }
}

void ControlPeer::answer(const proto::RelayStatus& status) {
    waiting = Waiting::kNothing;
    std::string frame;
    proto::append_frame(frame, status);
    if (::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(frame.size())) {
        ::shutdown(socket_.get(), SHUT_RDWR);  // shows as end of file in read()
    }
}

}  // namespace anchorhold::machine
