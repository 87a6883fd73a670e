// What the guest's init tells by itself: the names that were asked for.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/audit.pb.h"
#include "proto/frame.h"

namespace anchorhold::supervisor {

// Everything here is the guest's word. Belongs to its event loop's thread.
class GuestNotices {
  public:
    using OnEvents = std::function<void(std::vector<proto::AuditEvent> events)>;

    GuestNotices(EventLoop& loop, OwnFd channel, OnEvents on_events);
    ~GuestNotices();
    GuestNotices(const GuestNotices&) = delete;
    GuestNotices& operator=(const GuestNotices&) = delete;

    // Call once.
    Status watch();
    [[nodiscard]] int channel() const { return channel_.get(); }  // borrowed

  private:
    struct Stream {
        OwnFd socket;
        proto::FrameReader frames{proto::kMaxControlFrame};
    };
    void accept();
    void read();
    void drop_stream();

    EventLoop& loop_;
    OwnFd channel_;
    OnEvents on_events_;
    std::unique_ptr<Stream> stream_;
};

}  // namespace anchorhold::supervisor
