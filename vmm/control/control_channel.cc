// Events wait in a bounded queue while the supervisor's end is full.
#include "vmm/control/control_channel.h"

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::vmm {
namespace {

// Beyond this many bytes droppable events are dropped; there are few required ones, and each is
// small.
constexpr size_t kMaxQueued = 64 * 1024;

Status wait_for(int fd, short what, int milliseconds) {
    pollfd entry{fd, what, 0};
    int ready = 0;
    do {
        ready = ::poll(&entry, 1, milliseconds);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) {
        return fail_errno("poll", "control socket");
    }
    return ready == 0 ? Status(fail("control socket: the other end does not read", ETIMEDOUT))
                      : Status();
}

}  // namespace

ControlChannel::~ControlChannel() {
    if (loop_ != nullptr) {
        loop_->remove(socket_.get());
    }
}

Result<Packet> ControlChannel::receive() {
    for (;;) {
        auto packet = ANCHORHOLD_TRY(receive_packet(socket_.get()));
        if (packet) {
            if (packet->bytes.empty()) {
                return fail("control socket: the other end has gone");
            }
            return std::move(*packet);
        }
        ANCHORHOLD_TRY(wait_for(socket_.get(), POLLIN, -1));
    }
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

Status ControlChannel::send_last(const proto::VmmEvent& event, Duration patience) {
    queued_.push_back(event.SerializeAsString());
    const auto milliseconds =
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count());
    while (!queued_.empty()) {
        const Status sent = send_packet(socket_.get(), queued_.front());
        if (sent) {
            queued_.pop_front();
        } else if (sent.error().code == EAGAIN) {
            ANCHORHOLD_TRY(wait_for(socket_.get(), POLLOUT, milliseconds));
        } else {
            return sent;
        }
    }
    return {};
}

}  // namespace anchorhold::vmm
