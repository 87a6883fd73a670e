// Writes the client's stdin to the command as fast as the command reads it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/fd.h"

namespace anchorhold::exec {

enum class InputKind {
    kPipe,
    kTerminal
};  // a pipe ends by closing, a terminal by its end-of-file character

class StdinWriter {
  public:
    struct Events {
        std::function<void(size_t bytes)> written;  // so many more bytes have left the buffer
        std::function<void()> gone;                 // the command closed its stdin; once
    };

    // `sink` is nonblocking. `loop` outlives the writer. The caller bounds what it feeds
    // (kStdinWindow).
    StdinWriter(EventLoop& loop, OwnFd sink, InputKind kind, Events events);
    ~StdinWriter() { close(); }
    StdinWriter(const StdinWriter&) = delete;
    StdinWriter& operator=(const StdinWriter&) = delete;

    // Takes bytes over. After the command closed its stdin they are dropped and counted as written.
    void feed(std::string_view bytes);
    // No more bytes come: ends the command's stdin once all was written.
    void end();
    void close();

  private:
    void flush();
    void watch();
    void lose();

    EventLoop& loop_;
    OwnFd sink_;
    InputKind kind_;
    Events events_;
    std::string buffer_;
    size_t written_ = 0;
    uint32_t watched_ = 0;
    bool registered_ = false;
    bool ending_ = false;
};

}  // namespace anchorhold::exec
