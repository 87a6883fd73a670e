// "Later, on the loop's thread": how a device on a vCPU's thread gets work done where its
// descriptors live.
#pragma once

#include <functional>
#include <memory>

#include "base/event_loop.h"
#include "virtio/device.h"

namespace anchorhold::virtio {

// schedule() may be called from any thread that holds the DeviceLock; the call then runs once on
// the loop's thread, with the lock held. Scheduling again before it ran changes nothing. After
// destruction (DeviceLock held, or the loop at rest) it never runs.
class DeferredCall {
  public:
    DeferredCall(EventLoop& loop, DeviceLock& lock, std::function<void()> call);
    ~DeferredCall();
    DeferredCall(const DeferredCall&) = delete;
    DeferredCall& operator=(const DeferredCall&) = delete;

    void schedule();

  private:
    struct Shared;
    EventLoop& loop_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace anchorhold::virtio
