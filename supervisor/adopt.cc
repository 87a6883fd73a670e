// Sandboxes that change hands: taken over from a supervisor that is gone, left to the next one.
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <charconv>
#include <utility>

#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/sandbox.h"
#include "supervisor/vmm_process.h"

namespace anchorhold::supervisor {
namespace {

// The number of a pidfd's process, for people; -1 when it has ended (pidfd_open(2), fdinfo).
pid_t pid_of(int pidfd) {
    const auto text = sys::read_file("/proc/self/fdinfo/" + std::to_string(pidfd));
    const size_t at = text ? text->find("\nPid:") : std::string::npos;
    const size_t digit = at == std::string::npos ? at : text->find_first_of("-0123456789", at);
    pid_t pid = -1;
    if (digit != std::string::npos) {
        std::from_chars(text->data() + digit, text->data() + text->size(), pid);
    }
    return pid;
}

}  // namespace

Result<std::unique_ptr<VmmProcess>> VmmProcess::adopt(EventLoop& loop, OwnFd control, OwnFd pidfd,
                                                      Handlers handlers) {
    ANCHORHOLD_TRY(sys::set_nonblocking(control.get()));
    const pid_t pid = pid_of(pidfd.get());
    std::unique_ptr<VmmProcess> vmm(new VmmProcess(loop, Child(pid, std::move(pidfd)),
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
    sandbox->vmm_ = ANCHORHOLD_TRY(VmmProcess::adopt(
        loop, std::move(parts.control), std::move(parts.pidfd), sandbox->vmm_handlers()));
    return sandbox;
}

Sandbox::Descriptors Sandbox::descriptors() const {
    return {vmm_->control(), vmm_->pidfd(), guest_streams_.get(), disk_.get()};
}

void Sandbox::let_go() {
    vmm_->let_go();
}

}  // namespace anchorhold::supervisor
