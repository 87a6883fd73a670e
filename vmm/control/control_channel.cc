// Events wait in a bounded queue while the supervisor's end is full.
#include "vmm/control/control_channel.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::vmm {
namespace {

// Beyond this many bytes droppable events are dropped; there are few required ones, and each is
// small.
constexpr size_t kMaxQueued = 64 * 1024;

}  // namespace

ControlChannel::ControlChannel(OwnFd socket, Duration patience) : socket_(std::move(socket)) {
    const auto microseconds =
        std::chrono::duration_cast<std::chrono::microseconds>(patience).count();
    const timeval most{microseconds / 1'000'000, microseconds % 1'000'000};
    // Where it cannot be set the last word is waited for without end.
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}

ControlChannel::~ControlChannel() {
    if (loop_ != nullptr) {
        loop_->remove(socket_.get());
    }
}

Result<Packet> ControlChannel::receive() {
    auto packet = ANCHORHOLD_TRY(receive_packet(socket_.get()));
    if (!packet || packet->bytes.empty()) {
        return fail("control socket: the other end has gone");
    }
    return std::move(*packet);
}

Status ControlChannel::serve(EventLoop& loop, CommandHandler on_command,
                             std::function<void()> on_gone) {
    on_command_ = std::move(on_command);
    on_gone_ = std::move(on_gone);
    ANCHORHOLD_TRY(sys::set_nonblocking(socket_.get()));
    ANCHORHOLD_TRY(loop.add(socket_.get(), EPOLLIN, [this](uint32_t events) { readable(events); }));
    loop_ = &loop;
    return {};
}

void ControlChannel::readable(uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        flush();
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) {
        return;
    }
    auto packet = receive_packet(socket_.get());
    if (packet && !*packet) {
        return;
    }
    if (packet && !(*packet)->bytes.empty()) {
        auto command = proto::parse<proto::VmmCommand>((*packet)->bytes, "command");
        if (command) {
            on_command_(std::move(*command), std::move((*packet)->fds));
            return;
        }
    }
    loop_->remove(socket_.get());
    on_gone_();
}

void ControlChannel::send(const proto::VmmEvent& event, Delivery delivery) {
    if (delivery == Delivery::kDroppable && queued_bytes_ > kMaxQueued) {
        return;
    }
    queued_.push_back(event.SerializeAsString());
    queued_bytes_ += queued_.back().size();
    flush();
}

void ControlChannel::flush() {
    while (!queued_.empty()) {
        const Status sent = send_packet(socket_.get(), queued_.front());
        if (!sent && sent.error().code == EAGAIN) {
            break;
        }
        // Any other failure is the end of the other side, which reading notices.
        queued_bytes_ -= queued_.front().size();
        queued_.pop_front();
    }
    if (loop_ != nullptr) {
        const uint32_t wanted = queued_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
        if (wanted != watched_) {
            watched_ = wanted;
            static_cast<void>(loop_->modify(socket_.get(), wanted));  // gone with the socket
        }
    }
}

Status ControlChannel::send_last(const proto::VmmEvent& event) {
    queued_.push_back(event.SerializeAsString());
    // Waiting in sendmsg: a socket that waits is bounded by SO_SNDTIMEO.
    const int flags = ::fcntl(socket_.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket_.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) {
        return fail_errno("fcntl", "control socket");
    }
    while (!queued_.empty()) {
        const Status sent = send_packet(socket_.get(), queued_.front());
        if (!sent) {
            return sent.error().code == EAGAIN
                       ? Status(fail("control socket: the other end does not read", ETIMEDOUT))
                       : sent;
        }
        queued_.pop_front();
    }
    return {};
}

}  // namespace anchorhold::vmm
