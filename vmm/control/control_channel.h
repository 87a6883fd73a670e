// The supervisor's socket: commands come in, events go out.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/seqpacket.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::vmm {

// Belongs to one thread. Never waits after serve() but in send_last().
class ControlChannel {
  public:
    // Whether an event may be lost when the supervisor does not read.
    enum class Delivery : uint8_t { kRequired, kDroppable };
    using CommandHandler = std::function<void(proto::VmmCommand command, std::vector<OwnFd> fds)>;

    // Takes a connected SOCK_SEQPACKET socket that waits. `patience` is for send_last().
    ControlChannel(OwnFd socket, Duration patience);
    ~ControlChannel();
    ControlChannel(const ControlChannel&) = delete;
    ControlChannel& operator=(const ControlChannel&) = delete;

    // Waits for one packet; an error when the other end has gone.
    Result<Packet> receive();

    // From now on commands reach `on_command`; `on_gone` is called once the other end is gone or
    // breaks the protocol. `loop` outlives the channel.
    Status serve(EventLoop& loop, CommandHandler on_command, std::function<void()> on_gone);

    void send(const proto::VmmEvent& event, Delivery delivery = Delivery::kRequired);

    // Sends what is queued and `event`, waiting for the supervisor to read, but for each packet no
    // longer than is patient.
    Status send_last(const proto::VmmEvent& event);

  private:
    void readable(uint32_t events);
    void flush();

    OwnFd socket_;
    EventLoop* loop_ = nullptr;
    CommandHandler on_command_;
    std::function<void()> on_gone_;
    std::deque<std::string> queued_;
    size_t queued_bytes_ = 0;
    uint32_t watched_ = 0x001;  // EPOLLIN
};

}  // namespace anchorhold::vmm
