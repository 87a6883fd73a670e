// Pipe or terminal to frames.
#include "exec/output_pump.h"

#include <sys/epoll.h>

#include <span>
#include <string_view>
#include <utility>

#include "base/sys.h"
#include "exec/stdio_frame.h"
#include "proto/frame.h"

namespace anchorhold::exec {

OutputPump::OutputPump(EventLoop& loop, FrameStream& stream, proto::OutputStream kind, OwnFd source,
                       std::function<void()> on_closed)
    : loop_(loop),
      stream_(stream),
      kind_(kind),
      source_(std::move(source)),
      on_closed_(std::move(on_closed)) {
    resume();
}

void OutputPump::resume() {
    if (open() && !watched_) {
        watched_ = loop_.add(source_.get(), EPOLLIN, [this](uint32_t) { read_more(); }).has_value();
    }
}

void OutputPump::unwatch() {
    if (watched_) {
        loop_.remove(source_.get());
        watched_ = false;
    }
}

void OutputPump::close() {
    unwatch();
    source_.reset();
}

void OutputPump::discard() {
    discarding_ = true;
    resume();
}

void OutputPump::read_more() {
    if (chunk_ == nullptr) {
        chunk_ = std::make_unique_for_overwrite<std::byte[]>(proto::kMaxStdioChunk);
    }
    const auto got = sys::read_some(source_.get(), std::span(chunk_.get(), proto::kMaxStdioChunk));
    if (got && !got->has_value()) {
        return;
    }
    // A terminal whose last user is gone reads as EIO.
    const size_t count = got ? **got : 0;
    if (count == 0) {
        close();
        on_closed_();
        return;
    }
    bytes_ += count;
    if (discarding_) {
        return;
    }
    stream_.send_frame(output_frame_header(kind_, count),
                       std::string_view(reinterpret_cast<const char*>(chunk_.get()), count));
    if (stream_.congested()) {
        unwatch();
    }
}

}  // namespace anchorhold::exec
