// Dispatch over epoll with tokens, so that an event of a descriptor closed a moment ago reaches
// nobody.
#include "base/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/sys.h"

namespace anchorhold {
namespace {

constexpr uint64_t kWakeToken = 0;

}  // namespace

EventLoop::EventLoop(const Clock& clock, OwnFd epoll, OwnFd wake)
    : clock_(clock), epoll_(std::move(epoll)), wake_(std::move(wake)) {}

Result<std::unique_ptr<EventLoop>> EventLoop::create(const Clock& clock) {
    OwnFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) {
        return fail_errno("epoll_create1");
    }
    OwnFd wake = ANCHORHOLD_TRY(sys::event_fd(EFD_NONBLOCK));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // each write is an edge: the counter need not be read back
    event.data.u64 = kWakeToken;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) < 0) {
        return fail_errno("epoll_ctl", "wake-up eventfd");
    }
    return std::unique_ptr<EventLoop>(new EventLoop(clock, std::move(epoll), std::move(wake)));
}

Status EventLoop::add(int fd, uint32_t events, FdHandler handler) {
    const uint64_t token = next_token_++;
    epoll_event event{};
    event.events = events;
    event.data.u64 = token;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) {
        return fail_errno("epoll_ctl add", std::to_string(fd));
    }
    tokens_[fd] = token;
    watches_[token] = std::make_shared<Watch>(Watch{fd, std::move(handler)});
    return {};
}

Status EventLoop::modify(int fd, uint32_t events) {
    const auto found = tokens_.find(fd);
    if (found == tokens_.end()) {
        return fail("event loop: descriptor " + std::to_string(fd) + " is not watched");
    }
    epoll_event event{};
    event.events = events;
    event.data.u64 = found->second;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) {
        return fail_errno("epoll_ctl modify", std::to_string(fd));
    }
    return {};
}

void EventLoop::remove(int fd) {
    const auto found = tokens_.find(fd);
    if (found == tokens_.end()) {
        return;
    }
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    watches_.erase(found->second);
    tokens_.erase(found);
}

EventLoop::TimerId EventLoop::add_timer(Duration delay, Task task) {
    const TimerId id = next_timer_++;
    const TimePoint now = clock_.now();
    // A delay beyond the end of the clock means never, not an overflow into the past.
    const TimePoint when = now + std::clamp(delay, Duration::zero(), TimePoint::max() - now);
    timers_.emplace(std::pair(when, id), std::move(task));
    timer_times_[id] = when;
    return id;
}

void EventLoop::cancel_timer(TimerId id) {
    const auto found = timer_times_.find(id);
    if (found != timer_times_.end()) {
        timers_.erase(std::pair(found->second, id));
        timer_times_.erase(found);
    }
}

void EventLoop::post(Task task) {
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(task));
    }
    const uint64_t one = 1;
    // The counter is full after longer than any program runs.
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::run_posted() {
    std::vector<Task> tasks;
    {
        const std::lock_guard lock(posted_mutex_);
        tasks.swap(posted_);
    }
    for (const Task& task : tasks) {
        task();
    }
}

void EventLoop::run_timers() {
    // Only those due when we began: a timer that re-arms itself with no delay must not starve
    // descriptors.
    const TimePoint now = clock_.now();
    const TimerId first_new = next_timer_;
    while (!timers_.empty() && timers_.begin()->first.first <= now &&
           timers_.begin()->first.second < first_new) {
        auto node = timers_.extract(timers_.begin());
        timer_times_.erase(node.key().second);
        node.mapped()();
    }
}

int EventLoop::wait_milliseconds(Duration patience) const {
    if (!timers_.empty()) {
        patience = std::min(patience, timers_.begin()->first.first - clock_.now());
    }
    if (patience <= Duration::zero()) {
        return 0;
    }
    if (patience == Duration::max()) {
        return -1;
    }
    const auto rounded_up = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
    return static_cast<int>(std::min<int64_t>(rounded_up, 3'600'000));
}

Status EventLoop::run_once(Duration patience) {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   wait_milliseconds(patience));
    if (count < 0 && errno != EINTR) {
        return fail_errno("epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<size_t>(i)];
        const uint64_t token = event.data.u64;  // a copy: the structure is packed
        if (token == kWakeToken) {
            run_posted();
            continue;
        }
        const auto found = watches_.find(token);
        if (found != watches_.end()) {
            const std::shared_ptr<Watch> watch = found->second;  // outlives its own removal
            watch->handler(event.events);
        }
    }
    run_timers();
    return {};
}

Status EventLoop::run() {
    stopped_ = false;
    while (!stopped_) {
        ANCHORHOLD_TRY(run_once(Duration::max()));
    }
    return {};
}

}  // namespace anchorhold
