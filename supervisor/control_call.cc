// Written as the stream takes it, answered by one frame.
#include "supervisor/control_call.h"

#include <sys/epoll.h>

#include <cerrno>

#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::supervisor {

ControlCall::ControlCall(EventLoop& loop, OwnFd stream, OnAnswer on_answer)
    : loop_(loop), stream_(std::move(stream)), on_answer_(std::move(on_answer)) {}

ControlCall::~ControlCall() {
    loop_.remove(stream_.get());
}

Result<std::unique_ptr<ControlCall>> ControlCall::send(EventLoop& loop, OwnFd stream,
                                                       const proto::ControlRequest& request,
                                                       OnAnswer on_answer) {
    ANCHORHOLD_TRY(sys::set_nonblocking(stream.get()));
    std::unique_ptr<ControlCall> call(
        new ControlCall(loop, std::move(stream), std::move(on_answer)));
    proto::append_frame(call->unsent_, request);
    ControlCall* self = call.get();
    // A new stream takes a small request at once, and a guest waits for it.
    const auto written =
        sys::write_some(call->stream_.get(), std::as_bytes(std::span(call->unsent_)));
    call->unsent_.erase(0, written ? written->value_or(0) : 0);
    const uint32_t wanted = call->unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
    ANCHORHOLD_TRY(
        loop.add(call->stream_.get(), wanted, [self](uint32_t events) { self->handle(events); }));
    return call;
}

void ControlCall::handle(uint32_t events) {
    if ((events & EPOLLOUT) != 0 && !unsent_.empty()) {
        write_more();
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read_more();
    }
}

void ControlCall::write_more() {
    const auto count = sys::write_some(stream_.get(), std::as_bytes(std::span(unsent_)));
    if (count) {
        unsent_.erase(0, count->value_or(0));
    }
    if (!count || unsent_.empty()) {
        [[maybe_unused]] const Status watched = loop_.modify(stream_.get(), EPOLLIN);
    }
}

void ControlCall::read_more() {
    std::byte buffer[proto::kMaxControlFrame];
    const auto count = sys::read_some(stream_.get(), buffer);
    if (count && !*count) {
        return;
    }
    if (!count || **count == 0) {
        answer(fail("the guest's init ended the control stream", ECONNRESET));
        return;
    }
    frames_.feed(std::span(buffer).first(**count));
    const auto frame = frames_.next();
    if (frame && !*frame) {
        return;
    }
    auto message = frame ? proto::parse<proto::ControlAnswer>(**frame, "init's answer")
                         : Result<proto::ControlAnswer>(tl::unexpected(frame.error()));
    if (message && !message->error().empty()) {
        message = fail(log::escaped(message->error(), 300));
    }
    answer(message);
}

void ControlCall::answer(const Result<proto::ControlAnswer>& answer) {
    loop_.remove(stream_.get());
    const auto on_answer = std::move(on_answer_);
    on_answer(answer);
}

}  // namespace anchorhold::supervisor
