// One request to the guest's init and its answer (proto/guest_control.proto).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"

namespace anchorhold::supervisor {

// Belongs to its event loop's thread. `on_answer` runs once, with an error where the stream broke
// or init could not do what it was asked (printable, one line); it may destroy this object.
// Destroying it earlier forgets the call.
class ControlCall {
  public:
    using OnAnswer = std::function<void(const Result<proto::ControlAnswer>&)>;
    static Result<std::unique_ptr<ControlCall>> send(EventLoop& loop, OwnFd stream,
                                                     const proto::ControlRequest& request,
                                                     OnAnswer on_answer);
    ~ControlCall();
    ControlCall(const ControlCall&) = delete;
    ControlCall& operator=(const ControlCall&) = delete;

  private:
    ControlCall(EventLoop& loop, OwnFd stream, OnAnswer on_answer);
    void handle(uint32_t events);
    void write_more();
    void read_more();
    void answer(const Result<proto::ControlAnswer>& answer);

    EventLoop& loop_;
    OwnFd stream_;
    OnAnswer on_answer_;
    std::string unsent_;
    proto::FrameReader frames_{proto::kMaxControlFrame};
};

}  // namespace anchorhold::supervisor
