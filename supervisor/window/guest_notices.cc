// One stream at a time; a frame that is no notice ends it.
#include "supervisor/window/guest_notices.h"

#include <sys/epoll.h>

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/address_text.h"
#include "base/seqpacket.h"
#include "base/socket_type.h"
#include "base/sys.h"
#include "proto/egress.pb.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMaxName = 255;  // RFC 1035 §2.3.4

// nullopt: no notice that init sends.
std::optional<proto::AuditEvent> event_of(std::string_view frame) {
    const auto notice = proto::parse<proto::GuestNotice>(frame, "the guest's notice");
    if (!notice || !notice->has_dns() || notice->dns().name().size() > kMaxName) {
        return std::nullopt;
    }
    proto::AuditEvent event;
    proto::DnsAsked& asked = *event.mutable_dns();
    asked.set_name(notice->dns().name());
    asked.set_type(notice->dns().type());
    asked.set_answer(address_text(std::as_bytes(std::span(notice->dns().answer()))));
    asked.set_repeated(notice->dns().repeated());
    return event;
}

}  // namespace

GuestNotices::GuestNotices(EventLoop& loop, OwnFd channel, OnEvents on_events)
    : loop_(loop), channel_(std::move(channel)), on_events_(std::move(on_events)) {}

GuestNotices::~GuestNotices() {
    loop_.remove(channel_.get());
    drop_stream();
}

Status GuestNotices::watch() {
    return loop_.add(channel_.get(), EPOLLIN, [this](uint32_t) { accept(); });
}

void GuestNotices::drop_stream() {
    if (stream_) {
        loop_.remove(stream_->socket.get());
        stream_.reset();
    }
}

void GuestNotices::accept() {
    auto packet = receive_packet(channel_.get());
    if (packet && !*packet) {
        return;
    }
    const bool good = packet && !(*packet)->bytes.empty() && (*packet)->fds.size() == 1 &&
                      is_stream_socket((*packet)->fds[0].get()) &&
                      sys::set_nonblocking((*packet)->fds[0].get());
    if (!good) {
        loop_.remove(channel_.get());
        return;
    }
    drop_stream();  // init has one; a second replaces it
    stream_ = std::make_unique<Stream>();
    stream_->socket = std::move((*packet)->fds[0]);
    [[maybe_unused]] const Status watched =
        loop_.add(stream_->socket.get(), EPOLLIN, [this](uint32_t) { read(); });
}

void GuestNotices::read() {
    std::byte buffer[4096];
    const auto count = sys::read_some(stream_->socket.get(), buffer);
    if (count && !*count) {
        return;
    }
    std::vector<proto::AuditEvent> events;
    bool good = count && **count > 0;
    if (good) {
        stream_->frames.feed(std::span(buffer).first(**count));
    }
    while (good) {
        const auto frame = stream_->frames.next();
        if (!frame || !*frame) {
            good = frame.has_value();
            break;
        }
        auto event = event_of(**frame);
        good = event.has_value();
        if (good) {
            events.push_back(std::move(*event));
        }
    }
    if (!good) {
        drop_stream();
    }
    if (!events.empty()) {
        on_events_(std::move(events));
    }
}

}  // namespace anchorhold::supervisor
