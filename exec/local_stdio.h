// Our own stdio descriptors, read and written without blocking and without touching flags they
// share with others.
//
// O_NONBLOCK belongs to the open file description, which the user's shell may hold too. So a pipe
// or terminal is opened again through /proc/self/fd where that is allowed, a socket is used with
// MSG_DONTWAIT, and what is left is asked with poll(2) before every call and written at most
// PIPE_BUF bytes at a time, which a pipe that polls writable has room for.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::exec {

class LocalStdio {
  public:
    enum class Direction { kRead, kWrite };

    // `fd` is borrowed; what is opened or duplicated is ours.
    [[nodiscard]] static Result<LocalStdio> open(int fd, Direction direction);

    // As sys::read_some and sys::write_some: nullopt is "would block"; a write may be partial.
    [[nodiscard]] Result<std::optional<size_t>> read(std::span<std::byte> buffer) const;
    [[nodiscard]] Result<std::optional<size_t>> write(std::string_view bytes) const;

    // False for files: epoll refuses them, and they never make one wait for another process.
    [[nodiscard]] bool pollable() const { return kind_ != Kind::kDirect; }
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    enum class Kind { kDirect, kNonblocking, kSocket, kBlocking };

    LocalStdio(OwnFd fd, Kind kind) : fd_(std::move(fd)), kind_(kind) {}

    OwnFd fd_;
    Kind kind_;
};

// Writes to one local descriptor in order, keeping what it does not take yet.
class LocalOutput {
  public:
    struct Events {
        std::function<void()> flushed;  // all that waited was written
        std::function<void(const Error& error)>
            failed;  // code EPIPE: the reader went away. Nothing is written any more
    };

    LocalOutput(EventLoop& loop, LocalStdio stdio, Events events);
    ~LocalOutput();
    LocalOutput(const LocalOutput&) = delete;
    LocalOutput& operator=(const LocalOutput&) = delete;

    // Writes now or keeps the rest. After a failure bytes are dropped. Call again only once
    // flushed() is true.
    void write(std::string_view bytes);
    [[nodiscard]] bool flushed() const { return waiting_.empty(); }

  private:
    void on_writable();

    EventLoop& loop_;
    LocalStdio stdio_;
    Events events_;
    std::string waiting_;
    bool watched_ = false;
    bool failed_ = false;
};

}  // namespace anchorhold::exec
