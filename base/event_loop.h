// One epoll loop per thread. An object registered here belongs to the thread that runs the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold {

class EventLoop {
  public:
    using FdHandler =
        std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR
    using Task = std::function<void()>;
    using TimerId = uint64_t;  // never 0

    // Fails only when the host is out of descriptors.
    static Result<std::unique_ptr<EventLoop>> create(const Clock& clock = steady_clock());

    // Watches a descriptor the caller keeps open until remove(). One handler per descriptor.
    // Level-triggered unless EPOLLET is given. Watching 0 events still reports EPOLLHUP and
    // EPOLLERR.
    Status add(int fd, uint32_t events, FdHandler handler);
    Status modify(int fd, uint32_t events);
    // Safe from inside any handler, also the descriptor's own; pending events of it are dropped.
    // No-op when unknown.
    void remove(int fd);

    // Runs `task` once, `delay` from now.
    TimerId add_timer(Duration delay, Task task);
    void cancel_timer(TimerId id);  // no-op when fired or unknown

    // Runs `task` on the loop's thread, soon. The only member that other threads may call.
    void post(Task task);

    // Dispatches until stop(). Handlers run on this thread.
    Status run();
    // Waits for at most `patience` and dispatches what is ready.
    Status run_once(Duration patience);
    void stop() { stopped_ = true; }

    [[nodiscard]] const Clock& clock() const { return clock_; }

  private:
    struct Watch {
        int fd;
        FdHandler handler;
    };

    EventLoop(const Clock& clock, OwnFd epoll, OwnFd wake);
    void run_posted();
    void run_timers();
    [[nodiscard]] int wait_milliseconds(Duration patience) const;

    const Clock& clock_;
    OwnFd epoll_;
    OwnFd wake_;  // eventfd behind post()
    bool stopped_ = false;
    uint64_t next_token_ = 1;
    std::unordered_map<int, uint64_t> tokens_;  // fd -> token
    std::unordered_map<uint64_t, std::shared_ptr<Watch>>
        watches_;  // token -> watch; tokens are never reused
    TimerId next_timer_ = 1;
    std::map<std::pair<TimePoint, TimerId>, Task> timers_;
    std::unordered_map<TimerId, TimePoint> timer_times_;
    std::mutex posted_mutex_;
    std::vector<Task> posted_;
};

}  // namespace anchorhold
