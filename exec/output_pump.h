// Moves what a command writes to one descriptor into frames of the client's stream, as fast as the
// stream takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/event_loop.h"
#include "base/fd.h"
#include "exec/frame_stream.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec {

class OutputPump {
  public:
    // `source` is nonblocking. `on_closed` is called from the loop once its writers are gone, not
    // after close(). `loop` and `stream` outlive the pump.
    OutputPump(EventLoop& loop, FrameStream& stream, proto::OutputStream kind, OwnFd source,
               std::function<void()> on_closed);
    ~OutputPump() { close(); }
    OutputPump(const OutputPump&) = delete;
    OutputPump& operator=(const OutputPump&) = delete;

    // Reads on after the stream drained.
    void resume();
    // Nobody wants this output: writers get SIGPIPE.
    void close();
    // The same, but writers do not notice: what they write is read and dropped.
    void discard();

    [[nodiscard]] bool open() const { return source_.valid(); }
    [[nodiscard]] uint64_t bytes() const { return bytes_; }  // moved so far

  private:
    void read_more();
    void unwatch();

    EventLoop& loop_;
    FrameStream& stream_;
    proto::OutputStream kind_;
    OwnFd source_;
    std::function<void()> on_closed_;
    std::unique_ptr<std::byte[]> chunk_;
    uint64_t bytes_ = 0;
    bool watched_ = false;
    bool discarding_ = false;
};

}  // namespace anchorhold::exec
