// The syncing thread.
#include "supervisor/audit/group_sync.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace anchorhold::supervisor {

Status sync_data(int fd) {
    if (::fdatasync(fd) < 0) {
        return fail_errno("fdatasync", "audit log");
    }
    return {};
}

GroupSync::~GroupSync() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void GroupSync::dirty() {
    {
        const std::lock_guard lock(mutex_);
        if (dirty_) {
            return;
        }
        dirty_ = true;
    }
    if (thread_.joinable()) {
        changed_.notify_all();
        return;
    }
    // Signals are for the thread that has the event loop.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Status GroupSync::failure() {
    const std::lock_guard lock(mutex_);
    return failure_ ? Status(tl::unexpected(*failure_)) : Status();
}

void GroupSync::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return dirty_ || ending_; });
        if (!dirty_) {
            return;
        }
        changed_.wait_for(lock, kGroupSyncDelay, [&] { return ending_; });
        dirty_ = false;  // what is written from here on wants the next round
        lock.unlock();
        const Status synced = sync_data(fd_);
        lock.lock();
        if (!synced && !failure_) {
            failure_ = synced.error();
        }
    }
}

}  // namespace anchorhold::supervisor
