// The state machine of one stream. Flags that are "due" are what the guest is yet to be told.
#include "virtio/vsock/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace anchorhold::virtio {
namespace {

// Receive buffers of Linux hold some 3.7 KiB: this is what one read can fill in one turn.
constexpr size_t kMaxBurst = 32;

// Writes to a socket without SIGPIPE. Bytes taken, 0 when it would block, nothing when it takes no
// more, ever.
std::optional<size_t> send_some(int fd, std::span<iovec> pieces) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return errno == EAGAIN || errno == ENOBUFS ? std::optional<size_t>(0) : std::nullopt;
    }
    return static_cast<size_t>(sent);
}

}  // namespace

void Backlog::append(ChainCursor& source) {
    if (start_ > bytes_.size() / 2) {
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(start_));
        start_ = 0;
    }
    const size_t old_size = bytes_.size();
    bytes_.resize(old_size + source.remaining());
    ANCHORHOLD_CHECK(source.read(std::span(bytes_).subspan(old_size)));
}

void Backlog::consume(size_t count) {
    start_ += count;
    if (empty()) {
        clear();
    }
}

void Backlog::clear() {
    std::vector<std::byte>().swap(bytes_);  // gives the memory back
    start_ = 0;
}

Connection::Connection(uint64_t id, StreamKey key, OwnFd stream, State state, uint32_t buffer_size)
    : id_(id),
      key_(key),
      stream_(std::move(stream)),
      state_(state),
      buffer_size_(buffer_size),
      request_due_(state == State::kRequested),
      response_due_(state == State::kEstablished) {}

bool Connection::has_control() const {
    if (state_ == State::kDraining) {
        return false;
    }
    return request_due_ || response_due_ || credit_request_due_ || shutdown_due() ||
           (credit_update_due_ && !has_data());  // data tells it on the way
}

bool Connection::shutdown_due() const {
    // After a hang-up what is left to read comes first, so that one packet says that both
    // directions are over.
    return state_ == State::kEstablished && shutdown_flags() != shutdown_told_ &&
           !(hung_up_ && has_data());
}

void Connection::fill_credit(PacketHeader& header) {
    header.buffer_size = buffer_size_;
    header.forwarded_count = forwarded_;
    forwarded_told_ = forwarded_;
    credit_update_due_ = false;
}

void Connection::take_control(PacketHeader& header) {
    ANCHORHOLD_CHECK(has_control());
    Operation operation = Operation::kCreditUpdate;
    if (request_due_) {
        operation = Operation::kRequest;
        request_due_ = false;
    } else if (response_due_) {
        operation = Operation::kResponse;
        response_due_ = false;
    } else if (shutdown_due()) {
        operation = Operation::kShutdown;
        shutdown_told_ = shutdown_flags();
        header.flags = shutdown_told_;
        if (shutdown_told_ == kShutdownBoth) {
            state_ = State::kClosing;
            credit_request_due_ = false;
        }
    } else if (credit_request_due_) {
        operation = Operation::kCreditRequest;
        credit_request_due_ = false;
    }
    header.operation = static_cast<uint16_t>(operation);
    fill_credit(header);
}

uint32_t Connection::credit() const {
    const uint32_t in_flight = sent_ - guest_forwarded_;
    return in_flight < guest_buffer_size_ ? guest_buffer_size_ - in_flight : 0;
}

bool Connection::has_data() const {
    return state_ == State::kEstablished && readable_ && !outbound_over_ && credit() > 0;
}

size_t Connection::read_stream(std::span<const iovec> into) {
    size_t wanted = 0;
    for (const iovec& piece : into) {
        wanted += piece.iov_len;
    }
    ANCHORHOLD_CHECK(has_data() && wanted <= credit());
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(into.data());
    message.msg_iovlen = into.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(stream_.get(), &message, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        readable_ = false;
        return 0;
    }
    if (got <= 0) {
        // An error (ECONNRESET: the host left without reading everything) ends this direction like
        // end of file; the other one finds out when it next writes.
        outbound_over_ = true;
        if (got < 0) {
            inbound_failed();
        }
        return 0;
    }
    // An edge follows for bytes that came after a short read, unless the end was already announced.
    if (static_cast<size_t>(got) < wanted && !hung_up_) {
        readable_ = false;
    }
    sent_ += static_cast<uint32_t>(got);
    bytes_to_guest_ += static_cast<uint64_t>(got);
    note_stall();
    return static_cast<size_t>(got);
}

void Connection::note_stall() {
    if (state_ == State::kEstablished && readable_ && !outbound_over_ && credit() == 0 &&
        !credit_requested_) {
        credit_requested_ = true;
        credit_request_due_ = true;
    }
}

void Connection::filled_buffers(size_t offered, size_t filled) {
    burst_ = filled == offered ? std::min(offered * 2, kMaxBurst) : std::max<size_t>(filled, 1);
}

void Connection::fill_data(PacketHeader& header, uint32_t length) {
    header.operation = static_cast<uint16_t>(Operation::kData);
    header.length = length;
    fill_credit(header);
}

void Connection::learn_credit(const PacketHeader& header) {
    guest_buffer_size_ = header.buffer_size;
    guest_forwarded_ = header.forwarded_count;
    if (credit() > 0) {
        credit_requested_ = false;
        credit_request_due_ = false;
    }
}

Connection::Verdict Connection::receive(const PacketHeader& header, ChainCursor payload) {
    const auto operation = static_cast<Operation>(static_cast<uint16_t>(header.operation));
    if (operation == Operation::kReset) {
        return Verdict::kGone;
    }
    if (state_ == State::kRequested) {
        // Only an answer to a request the guest has seen.
        if (operation != Operation::kResponse || request_due_) {
            return Verdict::kRefuse;
        }
        state_ = State::kEstablished;
        learn_credit(header);
        return Verdict::kKeep;
    }
    learn_credit(header);
    switch (operation) {
        case Operation::kData:
            return receive_data(header, payload);
        case Operation::kShutdown:
            return receive_shutdown(header.flags);
        case Operation::kCreditUpdate:
            return Verdict::kKeep;
        case Operation::kCreditRequest:
            credit_update_due_ = true;
            return Verdict::kKeep;
        default:
            return Verdict::kRefuse;
    }
}

Connection::Verdict Connection::receive_data(const PacketHeader& header, ChainCursor payload) {
    const uint32_t length = header.length;
    // §5.10.6.3: never more in flight than we announced.
    if (guest_sends_no_more_ || uint64_t{received_ - forwarded_} + length > buffer_size_) {
        return Verdict::kRefuse;
    }
    received_ += length;
    bytes_from_guest_ += length;
    deliver(payload, length);
    // Tell the guest before it has to wait; every other packet tells it for free.
    if (forwarded_ - forwarded_told_ >= buffer_size_ / 4) {
        credit_update_due_ = true;
    }
    return Verdict::kKeep;
}

void Connection::deliver(ChainCursor& payload, uint32_t length) {
    if (inbound_broken_) {
        forwarded_ += length;  // nobody will ever take it; the guest has been told to stop
        return;
    }
    if (backlog_.empty() && length > 0) {
        vectors_.clear();
        ChainCursor pieces = payload;
        pieces.gather(length, vectors_);
        const auto taken = send_some(stream_.get(), vectors_);
        if (!taken) {
            inbound_failed();
            return;
        }
        forwarded_ += static_cast<uint32_t>(*taken);
        ANCHORHOLD_CHECK(payload.skip(*taken));
    }
    if (payload.remaining() > 0) {
        backlog_.append(payload);
    }
}

void Connection::inbound_failed() {
    inbound_broken_ = true;
    inbound_over_ = true;
    forwarded_ = received_;
    backlog_.clear();
}

void Connection::flush_backlog() {
    while (!backlog_.empty() && !inbound_broken_) {
        const auto bytes = backlog_.bytes();
        iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
        const auto taken = send_some(stream_.get(), {&piece, 1});
        if (!taken) {
            inbound_failed();
            return;
        }
        if (*taken == 0) {
            return;
        }
        forwarded_ += static_cast<uint32_t>(*taken);
        backlog_.consume(*taken);
    }
    if (forwarded_ - forwarded_told_ >= buffer_size_ / 4) {
        credit_update_due_ = true;
    }
    finish_inbound_if_flushed();
}

void Connection::finish_inbound_if_flushed() {
    if (guest_sends_no_more_ && backlog_.empty() && !inbound_over_) {
        inbound_over_ = true;
        ::shutdown(stream_.get(), SHUT_WR);
    }
}

Connection::Verdict Connection::receive_shutdown(uint32_t flags) {
    if ((flags & kShutdownSend) != 0) {
        guest_sends_no_more_ = true;
    }
    if ((flags & kShutdownReceive) != 0) {
        guest_receives_no_more_ = true;
    }
    if (guest_sends_no_more_ && guest_receives_no_more_) {
        return Verdict::kComplete;
    }
    if (stream_.valid()) {
        finish_inbound_if_flushed();
        if (guest_receives_no_more_ && !outbound_over_) {
            outbound_over_ = true;
            ::shutdown(stream_.get(), SHUT_RD);
        }
    }
    return Verdict::kKeep;
}

uint32_t Connection::shutdown_flags() const {
    // Both over: said in full even where the guest said half of it itself, so that it answers with
    // its reset.
    if (outbound_over_ && inbound_over_) {
        return kShutdownBoth;
    }
    return shutdown_told_ | (outbound_over_ && !guest_receives_no_more_ ? kShutdownSend : 0) |
           (inbound_broken_ ? kShutdownReceive : 0);
}

bool Connection::stream_event(uint32_t events) {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        readable_ = true;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        hung_up_ = true;
    }
    if ((events & EPOLLHUP) != 0) {
        if (state_ == State::kRequested) {
            return false;
        }
        inbound_failed();  // both directions are shut: no write can succeed
    } else if ((events & EPOLLOUT) != 0) {
        flush_backlog();
    }
    note_stall();
    return true;
}

bool Connection::stream_finished() const {
    return stream_.valid() &&
           ((outbound_over_ && inbound_over_) || (state_ == State::kDraining && backlog_.empty()));
}

void Connection::close_stream() {
    stream_.reset();
}

bool Connection::start_draining() {
    state_ = State::kDraining;
    request_due_ = response_due_ = credit_update_due_ = credit_request_due_ = false;
    outbound_over_ = true;
    guest_sends_no_more_ = true;
    return stream_.valid() && !backlog_.empty();
}

}  // namespace anchorhold::virtio
