// The state that posted tasks share with the DeferredCall, which may be gone when they run.
#include "virtio/deferred_call.h"

#include <utility>

namespace anchorhold::virtio {

struct DeferredCall::Shared {
    DeviceLock& lock;
    std::function<void()> call;  // emptied when the owner is gone
    bool scheduled = false;
};

DeferredCall::DeferredCall(EventLoop& loop, DeviceLock& lock, std::function<void()> call)
    : loop_(loop), shared_(new Shared{lock, std::move(call)}) {}

DeferredCall::~DeferredCall() {
    shared_->call = nullptr;
}

void DeferredCall::schedule() {
    if (shared_->scheduled) {
        return;
    }
    shared_->scheduled = true;
    loop_.post([shared = shared_] {
        const std::lock_guard guard(shared->lock);
        shared->scheduled = false;
        if (shared->call) {
            shared->call();
        }
    });
}

}  // namespace anchorhold::virtio
