// Buffered nonblocking writes to a pipe or a pseudo-terminal.
#include "exec/stdin_writer.h"

#include <sys/epoll.h>

#include <span>
#include <utility>

#include "base/sys.h"
#include "exec/terminal.h"

namespace anchorhold::exec {

StdinWriter::StdinWriter(EventLoop& loop, OwnFd sink, InputKind kind, Events events)
    : loop_(loop), sink_(std::move(sink)), kind_(kind), events_(std::move(events)) {
    watch();
}

void StdinWriter::feed(std::string_view bytes) {
    if (!sink_.valid()) {
        events_.written(bytes.size());
        return;
    }
    if (!ending_) {
        buffer_.append(bytes);
        flush();
    }
}

void StdinWriter::end() {
    if (!ending_ && sink_.valid()) {
        ending_ = true;
        if (kind_ == InputKind::kTerminal) {
            const char end_of_file = end_of_file_character(sink_.get());
            if (end_of_file != '\0') {
                buffer_.push_back(end_of_file);
            }
        }
        flush();
    }
}

void StdinWriter::close() {
    if (registered_) {
        loop_.remove(sink_.get());
        registered_ = false;
    }
    sink_.reset();
    buffer_.clear();
    written_ = 0;
}

void StdinWriter::flush() {
    while (written_ < buffer_.size()) {
        const auto rest = std::string_view(buffer_).substr(written_);
        const auto wrote = sys::write_some(sink_.get(), std::as_bytes(std::span(rest)));
        if (!wrote) {
            lose();
            return;
        }
        if (!wrote->has_value()) {
            break;
        }
        written_ += **wrote;
        events_.written(**wrote);
    }
    if (written_ == buffer_.size()) {
        buffer_.clear();
        written_ = 0;
        if (ending_ && kind_ == InputKind::kPipe) {
            close();
            return;
        }
    } else if (written_ > buffer_.size() / 2) {
        buffer_.erase(0, written_);
        written_ = 0;
    }
    watch();
}

void StdinWriter::lose() {
    const size_t dropped = buffer_.size() - written_;
    close();
    events_.written(dropped);
    events_.gone();
}

void StdinWriter::watch() {
    // Without EPOLLOUT an empty buffer still learns from EPOLLERR that the last reader is gone.
    const uint32_t wanted = buffer_.empty() ? 0U : static_cast<uint32_t>(EPOLLOUT);
    if (!sink_.valid() || (registered_ && wanted == watched_)) {
        return;
    }
    const auto on_events = [this](uint32_t events) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
            lose();
        } else {
            flush();
        }
    };
    const Status status =
        registered_ ? loop_.modify(sink_.get(), wanted) : loop_.add(sink_.get(), wanted, on_events);
    registered_ = registered_ || status.has_value();
    watched_ = wanted;
}

}  // namespace anchorhold::exec
