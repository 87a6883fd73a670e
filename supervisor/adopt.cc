// Sandboxes that change hands: taken over from a supervisor that is gone, left to the next one.
#include <sys/epoll.h>

#include <utility>

#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/sandbox.h"
#include "supervisor/vmm_process.h"

namespace anchorhold::supervisor {
Result<std::unique_ptr<VmmProcess>> VmmProcess::adopt(EventLoop& loop, OwnFd control, OwnFd pidfd,
                                                      Handlers handlers) {
    ANCHORHOLD_TRY(sys::set_nonblocking(control.get()));
    std::unique_ptr<VmmProcess> vmm(new VmmProcess(loop, Child::from_pidfd(std::move(pidfd)),
                                                   std::move(control), std::move(handlers)));
    ANCHORHOLD_TRY(vmm->watch());
    return vmm;
}

void VmmProcess::let_go() {
    loop_.cancel_timer(std::exchange(farewell_, 0));
    loop_.remove(control_.get());
    loop_.remove(child_.pidfd());
    child_.let_go();
}

Result<std::unique_ptr<Sandbox>> Sandbox::adopt(EventLoop& loop, const std::string& image,
                                                AdoptedParts parts, Handlers handlers) {
    std::unique_ptr<Sandbox> sandbox(new Sandbox(loop, std::move(handlers)));
    Sandbox* self = sandbox.get();
    sandbox->image_ = image;
    sandbox->state_ = State::kReady;
    sandbox->disk_ = std::move(parts.disk);
    sandbox->guest_streams_ = std::move(parts.guest_streams);
    if (sandbox->guest_streams_.valid()) {
        ANCHORHOLD_TRY(loop.add(sandbox->guest_streams_.get(), EPOLLIN,
                                [self](uint32_t) { self->accept_guest_stream(); }));
    }
    if (parts.pager_control.valid()) {
        sandbox->pager_ = ANCHORHOLD_TRY(
            PagerProcess::adopt(loop, std::move(parts.pager_control), std::move(parts.pager_pidfd),
                                [self](const std::string& why) { self->give_up(why); }));
    }
    sandbox->vmm_ = ANCHORHOLD_TRY(VmmProcess::adopt(
        loop, std::move(parts.control), std::move(parts.pidfd), sandbox->vmm_handlers()));
    return sandbox;
}

Sandbox::Descriptors Sandbox::descriptors() const {
    return {.control = vmm_->control(),
            .pidfd = vmm_->pidfd(),
            .guest_streams = guest_streams_.get(),
            .disk = disk_.get(),
            .pager_control = pager_ ? pager_->control() : -1,
            .pager_pidfd = pager_ ? pager_->pidfd() : -1};
}

void Sandbox::let_go() {
    vmm_->let_go();
    if (pager_) {
        pager_->let_go();
    }
}

}  // namespace anchorhold::supervisor
