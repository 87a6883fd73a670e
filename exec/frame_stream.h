// A nonblocking stream that carries frames of proto/frame.h both ways, driven by an event loop.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/frame.h"

namespace anchorhold::exec {

class FrameStream {
  public:
    class Handler {
      public:
        virtual ~Handler() = default;
        // One whole frame's message, valid during the call.
        virtual void on_frame(std::string_view message) = 0;
        // What waited to be sent fell below the low-water mark after congested() was true.
        virtual void on_drained() = 0;
        // End of file, an error, or an oversized frame. Called once, the last call; the stream is
        // already closed.
        virtual void on_lost(const Error& error) = 0;
    };

    // Frames larger than `max_message` bytes end the stream. `loop` and `handler` outlive it.
    FrameStream(EventLoop& loop, OwnFd stream, size_t max_message, Handler& handler);
    ~FrameStream();
    FrameStream(const FrameStream&) = delete;
    FrameStream& operator=(const FrameStream&) = delete;

    // Sends, or keeps what the kernel does not take yet. No-ops once the stream is closed. A
    // failure is reported to on_lost from the loop, never from inside these calls.
    void send(const google::protobuf::MessageLite& message);
    // `header` and `payload` together are one whole frame (exec/stdio_frame.h).
    void send_frame(std::string_view header, std::string_view payload);

    // True when so much waits that the caller should stop producing until on_drained().
    [[nodiscard]] bool congested() const { return congested_; }
    // True when nothing waits to be sent.
    [[nodiscard]] bool flushed() const { return pending_.size() == sent_; }
    [[nodiscard]] bool open() const { return stream_.valid(); }

    // Stops delivering frames, also those already read, until resume().
    void pause();
    void resume();

    // Overwrites the frames that were delivered, where one of them held a secret.
    void wipe_received();

    // Half-closes once everything was sent; what still arrives is read and dropped until end of
    // file (then on_lost).
    void finish();
    void close();

  private:
    void on_events(uint32_t events);
    void read_more();
    void deliver();
    void flush();
    void watch();
    void lose(const Error& error);
    void lose_soon(const Error& error);

    EventLoop& loop_;
    OwnFd stream_;
    Handler& handler_;
    proto::FrameReader reader_;
    std::unique_ptr<std::byte[]> scratch_;  // made by the first read
    size_t last_read_ = 0;                  // bytes of it that the last read filled
    std::string pending_;
    size_t sent_ = 0;  // how much of pending_ is gone
    uint32_t watched_ = 0;
    bool registered_ = false;
    bool congested_ = false;
    bool paused_ = false;
    bool delivering_ = false;
    bool finishing_ = false;
    bool shut_down_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace anchorhold::exec
