// A thread that is there before there is anything to do, and between two things to do: what a
// thread needs to begin with is then not needed later.
#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "base/result.h"

namespace anchorhold {

// Belongs to the thread that made it.
class ParkedThread {
  public:
    // Returns when the thread waits. `prepare` runs first, on that thread: its seccomp filter; an
    // error of it ends the thread and is returned.
    static Result<std::unique_ptr<ParkedThread>> start(size_t stack_bytes,
                                                       std::function<Status()> prepare);
    // Waits for the task that it runs.
    ~ParkedThread();
    ParkedThread(const ParkedThread&) = delete;
    ParkedThread& operator=(const ParkedThread&) = delete;

    // Has it run `task`, once. It must have nothing else to do.
    void run(std::function<void()> task);
    // Until it has nothing to do.
    void wait();
    // Signals it, whatever it does.
    void signal(int number) const;

  private:
    ParkedThread() = default;
    void live(const std::function<Status()>& prepare);

    pthread_t thread_{};
    pid_t process_ = 0;
    pid_t number_ = 0;  // of the thread, as tgkill(2) wants it
    std::mutex mutex_;  // what is below
    std::condition_variable changed_;
    enum class State : uint8_t { kPreparing, kWaiting, kRunning, kEnding, kFailed };
    State state_ = State::kPreparing;
    std::function<void()> task_;
    Status prepared_;
};

}  // namespace anchorhold
