// signalfd(2) and waitid(2) with WNOWAIT: look first, then let the owner reap.
#include "guest-init/reaper.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <utility>

#include "base/sys.h"

namespace anchorhold::guest_init {

Result<std::unique_ptr<Reaper>> Reaper::create(EventLoop& loop, Owner owner) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if (::sigprocmask(SIG_BLOCK, &children, nullptr) < 0) {
        return fail_errno("sigprocmask");
    }
    OwnFd signals(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals.valid()) {
        return fail_errno("signalfd");
    }
    std::unique_ptr<Reaper> reaper(new Reaper(loop, std::move(signals), std::move(owner)));
    ANCHORHOLD_TRY(loop.add(reaper->signals_.get(), EPOLLIN,
                            [self = reaper.get()](uint32_t) { self->on_signal(); }));
    return reaper;
}

Reaper::Reaper(EventLoop& loop, OwnFd signals, Owner owner)
    : loop_(loop), signals_(std::move(signals)), owner_(std::move(owner)) {}

Reaper::~Reaper() {
    loop_.remove(signals_.get());
}

void Reaper::on_signal() {
    signalfd_siginfo drained[8];
    [[maybe_unused]] const auto got =
        sys::read_some(signals_.get(), std::as_writable_bytes(std::span(drained)));
    pid_t before = 0;
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
            return;
        }
        // The same one again: its owner would not have it yet. It is asked again at the next
        // signal.
        if (info.si_pid == before) {
            return;
        }
        before = info.si_pid;
        if (!owner_(info.si_pid)) {
            ::waitpid(info.si_pid, nullptr, WNOHANG);
        }
    }
}

}  // namespace anchorhold::guest_init
