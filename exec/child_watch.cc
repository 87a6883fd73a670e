// A timerfd that is set for as long as a child is waited for.
#include "exec/child_watch.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

namespace anchorhold::exec {
namespace {

Status set_timer(int timer, Duration after) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(after);
    itimerspec when{};
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec =
        std::chrono::duration_cast<std::chrono::nanoseconds>(after - seconds).count();
    return ::timerfd_settime(timer, 0, &when, nullptr) < 0 ? Status(fail_errno("timerfd_settime"))
                                                           : Status();
}

}  // namespace

Result<ChildWatch*> ChildWatch::get() {
    static std::mutex making;
    static ChildWatch* made = nullptr;  // never freed: its thread has no end
    const std::scoped_lock hold(making);
    if (made != nullptr) {
        return made;
    }
    OwnFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    if (!timer.valid()) {
        return fail_errno("timerfd_create");
    }
    std::unique_ptr<ChildWatch> watch(new ChildWatch(std::move(timer)));
    // The process's signals are for its event loop.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    Status started;
    try {
        std::thread([self = watch.get()] { self->run(); }).detach();
    } catch (const std::system_error& error) {
        started = fail(std::string("a thread that watches children: ") + error.what());
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ANCHORHOLD_TRY(started);
    made = watch.release();
    return made;
}

Status ChildWatch::during(const int& pidfd, Duration patience, const std::function<void()>& wait) {
    const std::scoped_lock turn(turn_);
    {
        const std::scoped_lock hold(lock_);
        pidfd_ = &pidfd;
    }
    const Status set = set_timer(timer_.get(), patience);
    if (set) {
        wait();
    }
    const std::scoped_lock hold(lock_);
    pidfd_ = nullptr;
    ANCHORHOLD_TRY(set);
    return set_timer(timer_.get(), Duration::zero());
}

void ChildWatch::run() {
    for (uint64_t times = 0;;) {
        if (::read(timer_.get(), &times, sizeof times) != sizeof times) {
            continue;
        }
        const std::scoped_lock hold(lock_);
        if (pidfd_ != nullptr && *pidfd_ >= 0) {
            ::syscall(SYS_pidfd_send_signal, *pidfd_, SIGKILL, nullptr, 0U);
        }
    }
}

}  // namespace anchorhold::exec
