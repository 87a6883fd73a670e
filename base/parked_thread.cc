// A state under a mutex; pthreads for the size of the stack.
#include "base/parked_thread.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace anchorhold {

Result<std::unique_ptr<ParkedThread>> ParkedThread::start(size_t stack_bytes,
                                                          std::function<Status()> prepare) {
    std::unique_ptr<ParkedThread> thread(new ParkedThread);
    struct Beginning {
        ParkedThread* self;
        std::function<Status()> prepare;
    } beginning{thread.get(), std::move(prepare)};
    thread->process_ = ::getpid();
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack_bytes);
    const int error = ::pthread_create(
        &thread->thread_, &attributes,
        [](void* argument) -> void* {
            const auto& given = *static_cast<Beginning*>(argument);
            given.self->live(given.prepare);
            return nullptr;
        },
        &beginning);
    ::pthread_attr_destroy(&attributes);
    if (error != 0) {
        thread->state_ = State::kFailed;
        thread->thread_ = {};
        return fail_errno(error, "pthread_create");
    }
    std::unique_lock hold(thread->mutex_);
    thread->changed_.wait(hold, [&] { return thread->state_ != State::kPreparing; });
    ANCHORHOLD_TRY(std::move(thread->prepared_));
    return thread;
}

ParkedThread::~ParkedThread() {
    if (thread_ == pthread_t{}) {
        return;
    }
    {
        std::unique_lock hold(mutex_);
        changed_.wait(hold, [this] { return state_ != State::kRunning; });
        state_ = State::kEnding;
    }
    changed_.notify_all();
    ::pthread_join(thread_, nullptr);
}

void ParkedThread::run(std::function<void()> task) {
    {
        const std::scoped_lock hold(mutex_);
        ANCHORHOLD_CHECK(state_ == State::kWaiting);
        task_ = std::move(task);
        state_ = State::kRunning;
    }
    changed_.notify_all();
}

void ParkedThread::wait() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return state_ != State::kRunning; });
}

void ParkedThread::signal(int number) const {
    // Not pthread_kill(3), which blocks signals around this and asks for the process's number.
    ::syscall(SYS_tgkill, process_, number_, number);
}

void ParkedThread::live(const std::function<Status()>& prepare) {
    number_ = static_cast<pid_t>(::syscall(SYS_gettid));
    Status prepared = prepare ? prepare() : Status();
    std::unique_lock hold(mutex_);
    prepared_ = std::move(prepared);
    state_ = prepared_ ? State::kWaiting : State::kFailed;
    changed_.notify_all();
    while (state_ != State::kFailed) {
        changed_.wait(hold, [this] { return state_ >= State::kRunning; });
        if (state_ == State::kEnding) {
            return;
        }
        const std::function<void()> task = std::exchange(task_, nullptr);
        hold.unlock();
        task();
        hold.lock();
        state_ = State::kWaiting;
        changed_.notify_all();
    }
}

}  // namespace anchorhold
