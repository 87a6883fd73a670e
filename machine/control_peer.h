// One connection to a relay's control socket, seen from the relay.
#pragma once

#include <functional>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/frame.h"
#include "proto/machine.pb.h"

namespace anchorhold::machine {

// Reads requests and sends answers, each a frame. Belongs to the loop's thread.
class ControlPeer {
  public:
    enum class Waiting { kNothing, kReady, kStopped };
    using OnRequest = std::function<void(ControlPeer&, const proto::RelayRequest&)>;
    using OnGone = std::function<void(ControlPeer&)>;  // may destroy the peer

    ControlPeer(EventLoop& loop, OwnFd socket, OnRequest on_request, OnGone on_gone);
    ControlPeer(const ControlPeer&) = delete;
    ControlPeer& operator=(const ControlPeer&) = delete;
    ~ControlPeer();

    [[nodiscard]] Status start();
    // An answer that the socket does not take at once is dropped with the connection: the client
    // asked and did not read.
    void answer(const proto::RelayStatus& status);

    Waiting waiting = Waiting::kNothing;  // for which state the client's last request waits

  private:
    void read();

    EventLoop& loop_;
    OwnFd socket_;
    OnRequest on_request_;
    OnGone on_gone_;
    proto::FrameReader reader_{proto::kMaxControlFrame};
};

}  // namespace anchorhold::machine
