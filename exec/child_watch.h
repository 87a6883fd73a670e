// Ends a child that does not get as far as exec. Its parent waits for it meanwhile, and whoever
// runs as the child's user can stop it (SIGSTOP) or have it wait (a lease on the program's file)
// between the two.
#pragma once

#include <functional>
#include <mutex>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::exec {

// One in a process; its thread sleeps in a timer and wakes for nothing else.
class ChildWatch {
  public:
    // Made at the first call, for good. An error where the host has no timer or thread to spare.
    static Result<ChildWatch*> get();
    ChildWatch(const ChildWatch&) = delete;
    ChildWatch& operator=(const ChildWatch&) = delete;

    // Runs `wait`, and kills the process of `pidfd` when it has not returned after `patience`.
    // `pidfd` is read then, not before: clone3(2) fills it in before the child's first instruction.
    // One at a time.
    Status during(const int& pidfd, Duration patience, const std::function<void()>& wait);

  private:
    explicit ChildWatch(OwnFd timer) : timer_(std::move(timer)) {}
    void run();

    OwnFd timer_;
    std::mutex turn_;
    std::mutex lock_;
    const int* pidfd_ = nullptr;  // of the child that is waited for
};

}  // namespace anchorhold::exec
