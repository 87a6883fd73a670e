// Reads frames while they are wanted, writes what the kernel takes, reports the end once.
#include "exec/frame_stream.h"

#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <span>
#include <utility>

#include "base/sys.h"

namespace anchorhold::exec {
namespace {

constexpr size_t kReadSize = proto::kMaxExecServerFrame;  // a whole output frame in one system call
constexpr size_t kHighWater = 256 * 1024;
constexpr size_t kLowWater = 64 * 1024;
// Beyond any honest use (an ExecStart is the largest thing sent): the peer makes us answer and does
// not read.
constexpr size_t kMaxPending = 2 * proto::kMaxExecClientFrame;

}  // namespace

FrameStream::FrameStream(EventLoop& loop, OwnFd stream, size_t max_message, Handler& handler)
    : loop_(loop), stream_(std::move(stream)), handler_(handler), reader_(max_message) {
    const Status status = sys::set_nonblocking(stream_.get());
    if (status) {
        watch();
    } else {
        lose_soon(status.error());
    }
}

FrameStream::~FrameStream() {
    close();
}

void FrameStream::send(const google::protobuf::MessageLite& message) {
    if (!open()) {
        return;
    }
    proto::append_frame(pending_, message);
    flush();
}

void FrameStream::send_frame(std::string_view header, std::string_view payload) {
    if (!open()) {
        return;
    }
    pending_.append(header);
    pending_.append(payload);
    flush();
}

void FrameStream::pause() {
    paused_ = true;
    watch();
}

void FrameStream::resume() {
    if (!paused_) {
        return;
    }
    paused_ = false;
    watch();
    // Frames already read wait for no event of the descriptor.
    loop_.post([this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) {
            deliver();
        }
    });
}

void FrameStream::wipe_received() {
    reader_.wipe();
    if (scratch_ != nullptr) {
        ::explicit_bzero(scratch_.get(), last_read_);
    }
}

void FrameStream::finish() {
    finishing_ = true;
    paused_ = false;
    flush();
}

void FrameStream::close() {
    if (registered_) {
        loop_.remove(stream_.get());
        registered_ = false;
    }
    stream_.reset();
}

void FrameStream::lose(const Error& error) {
    if (open()) {
        close();
        handler_.on_lost(error);
    }
}

void FrameStream::lose_soon(const Error& error) {
    loop_.post([this, alive = std::weak_ptr(alive_), error] {
        if (!alive.expired()) {
            lose(error);
        }
    });
}

void FrameStream::on_events(uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        flush();
    }
    // A hang-up comes unasked; paused, the frames before it are still to be delivered.
    if (open() && !paused_ && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read_more();
    }
}

void FrameStream::read_more() {
    deliver();  // what a pause left behind comes before an end of file
    if (!open() || paused_) {
        return;
    }
    if (scratch_ == nullptr) {
        scratch_ = std::make_unique_for_overwrite<std::byte[]>(kReadSize);
    }
    const auto got = sys::read_some(stream_.get(), std::span(scratch_.get(), kReadSize));
    if (!got) {
        lose(got.error().within("stream"));
        return;
    }
    if (!got->has_value()) {
        return;
    }
    const size_t count = **got;
    last_read_ = count;
    if (count == 0) {
        lose(Error{reader_.buffered() > 0 && !finishing_ ? "stream ended inside a frame"
                                                         : "stream ended"});
        return;
    }
    if (!finishing_) {
        reader_.feed(std::span(scratch_.get(), count));
        deliver();
    }
}

void FrameStream::deliver() {
    if (delivering_) {
        return;
    }
    delivering_ = true;
    while (open() && !paused_ && !finishing_) {
        const auto frame = reader_.next();
        if (!frame) {
            lose(frame.error());
            break;
        }
        if (!frame->has_value()) {
            break;
        }
        handler_.on_frame(**frame);
    }
    delivering_ = false;
}

void FrameStream::flush() {
    if (!open()) {
        return;
    }
    while (!flushed()) {
        const auto rest = std::string_view(pending_).substr(sent_);
        const auto wrote = sys::write_some(stream_.get(), std::as_bytes(std::span(rest)));
        if (!wrote) {
            // The peer closed, maybe after a last message that is still to be read: reading finds
            // the end.
            sent_ = pending_.size();
            break;
        }
        if (!wrote->has_value()) {
            break;
        }
        sent_ += **wrote;
    }
    if (flushed()) {
        pending_.clear();
        sent_ = 0;
    } else if (sent_ >= kHighWater) {
        pending_.erase(0, sent_);
        sent_ = 0;
    }
    const size_t waiting = pending_.size() - sent_;
    if (waiting > kMaxPending) {
        lose_soon(Error{"the other side does not read"});
        return;
    }
    if (finishing_ && waiting == 0 && !shut_down_) {
        shut_down_ = true;
        ::shutdown(stream_.get(), SHUT_WR);  // a peer that is gone shows as end of file
    }
    watch();
    if (waiting > kHighWater) {
        congested_ = true;
    } else if (congested_ && waiting <= kLowWater) {
        congested_ = false;
        handler_.on_drained();
    }
}

void FrameStream::watch() {
    if (!open()) {
        return;
    }
    const uint32_t wanted = (paused_ ? 0U : static_cast<uint32_t>(EPOLLIN)) |
                            (flushed() ? 0U : static_cast<uint32_t>(EPOLLOUT));
    if (registered_ && wanted == watched_) {
        return;
    }
    // Not modify(0): a hang-up is reported whatever is watched, and a paused stream must not spin
    // on it.
    if (registered_ && wanted == 0) {
        loop_.remove(stream_.get());
        registered_ = false;
        return;
    }
    if (wanted == 0) {
        return;
    }
    const Status status = registered_ ? loop_.modify(stream_.get(), wanted)
                                      : loop_.add(stream_.get(), wanted,
                                                  [this](uint32_t events) { on_events(events); });
    if (!status) {
        lose_soon(status.error());
        return;
    }
    registered_ = true;
    watched_ = wanted;
}

}  // namespace anchorhold::exec
