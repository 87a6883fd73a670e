// A window of one second, a buffer, a stream.
#include "guest-init/egress/notices.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/sys.h"
#include "proto/frame.h"
#include "proto/ports.h"

namespace anchorhold::guest_init {
namespace {

constexpr Duration kSecond = std::chrono::seconds(1);

}  // namespace

Notices::~Notices() {
    loop_.cancel_timer(second_);
    lose();
}

void Notices::hold() {
    if (connected_) {
        flush();
    }
    // As of a relay: a descriptor may have a copy.
    ::shutdown(stream_.get(), SHUT_RDWR);
    lose();
    held_ = true;
    try_again_ = {};
}

void Notices::release() {
    held_ = false;
    if (!stream_.valid() && !unsent_.empty()) {
        connect();
    }
}

void Notices::dns_question(const std::string& name, uint16_t type,
                           std::span<const uint8_t> answer) {
    if (second_ == 0) {
        second_ = loop_.add_timer(kSecond, [this] { end_second(); });
    }
    const auto known = this_second_.find({name, type});
    if (known != this_second_.end()) {
        ++known->second.count;
        return;
    }
    if (this_second_.size() >= kPerSecond) {
        ++beyond_;
        return;
    }
    const std::string bytes(reinterpret_cast<const char*>(answer.data()), answer.size());
    const auto entry = this_second_.emplace(Question(name, type), Repeats{bytes}).first;
    send(entry->first, bytes, 0);
}

void Notices::end_second() {
    second_ = 0;
    const auto questions = std::exchange(this_second_, {});
    for (const auto& [question, repeats] : questions) {
        if (repeats.count > 0) {
            send(question, repeats.answer, repeats.count - 1);
        }
    }
    if (const uint32_t beyond = std::exchange(beyond_, 0); beyond > 0) {
        send({}, {}, beyond - 1);
    }
}

void Notices::send(const Question& question, const std::string& answer, uint32_t repeated) {
    if (!stream_.valid() && !held_) {
        connect();
    }
    if ((!stream_.valid() && !held_) || unsent_.size() >= kMaxUnsent) {
        return;
    }
    proto::GuestNotice notice;
    proto::DnsQuestion& asked = *notice.mutable_dns();
    asked.set_name(question.first.substr(0, 255));
    asked.set_type(question.second);
    asked.set_answer(answer);
    asked.set_repeated(repeated);
    proto::append_frame(unsent_, notice);
    if (connected_) {
        flush();
    }
}

void Notices::connect() {
    const TimePoint now = loop_.clock().now();
    if (now < try_again_) {
        return;
    }
    try_again_ = now + kSecond;
    auto stream = host_.connect(proto::kNoticePort);
    if (!stream) {
        return;
    }
    stream_ = std::move(*stream);
    if (!loop_.add(stream_.get(), EPOLLOUT, [this](uint32_t events) { on_stream(events); })) {
        stream_.reset();
    }
}

void Notices::on_stream(uint32_t events) {
    if (!connected_ || (events & (EPOLLERR | EPOLLHUP)) != 0) {
        int code = 0;
        socklen_t size = sizeof code;
        if (::getsockopt(stream_.get(), SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0 ||
            connected_) {
            lose();
            return;
        }
        connected_ = true;
    }
    // The host says nothing on this stream: what can be read is its end.
    std::array<std::byte, 64> nothing;
    if ((events & EPOLLIN) != 0) {
        const auto got = sys::read_some(stream_.get(), nothing);
        if (!got || (got->has_value() && **got == 0)) {
            lose();
            return;
        }
    }
    flush();
}

void Notices::flush() {
    if (!unsent_.empty()) {
        const ssize_t sent =
            ::send(stream_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            lose();
            return;
        }
        unsent_.erase(0, sent > 0 ? static_cast<size_t>(sent) : 0);
    }
    const uint32_t wanted = EPOLLIN | (unsent_.empty() ? 0U : uint32_t{EPOLLOUT});
    if (!loop_.modify(stream_.get(), wanted)) {
        lose();
    }
}

void Notices::lose() {
    if (stream_.valid()) {
        loop_.remove(stream_.get());
        stream_.reset();
    }
    connected_ = false;
    unsent_.clear();
}

}  // namespace anchorhold::guest_init
