// The second half of a session's life: exit, draining, last words, and the hang-up when the client
// is lost.
#include <signal.h>
#include <sys/wait.h>

#include "exec/session.h"

namespace anchorhold::exec {
namespace {

constexpr Duration kDrainTick = std::chrono::milliseconds(100);
constexpr int kMaxDrainTicks = 10;
// For the client to take the outcome and close.
constexpr Duration kLastWordsTime = std::chrono::seconds(5);

}  // namespace

bool Session::collect(pid_t pid) {
    if (pid != child_.pid || reaped_) {
        return false;
    }
    siginfo_t info{};
    const int result = ::waitid(static_cast<idtype_t>(P_PIDFD),
                                static_cast<id_t>(child_.pidfd.get()), &info, WEXITED | WNOHANG);
    if (result < 0 || info.si_pid == 0) {
        return true;  // ours, and still there
    }
    note_exit(info);
    if (state_ == State::kRunning) {
        begin_draining();
    } else if (state_ == State::kHungUp || state_ == State::kDetached) {
        end();
    }
    return true;
}

void Session::reap() {
    if (child_.pid > 0 && !reaped_) {
        siginfo_t info{};
        if (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child_.pidfd.get()), &info,
                     WEXITED) == 0) {
            note_exit(info);
        }
    }
}

void Session::note_exit(const siginfo_t& info) {
    reaped_ = true;
    loop_.remove(child_.pidfd.get());
    if (info.si_code == CLD_EXITED) {
        exit_code_ = info.si_status;
    } else {
        exit_signal_ = info.si_status;
    }
}

void Session::begin_draining() {
    state_ = State::kDraining;
    stdin_.reset();
    check_drained();
    if (state_ == State::kDraining) {
        drained_bytes_ = output_bytes();
        arm(kDrainTick, &Session::drain_tick);
    }
}

void Session::check_drained() {
    const bool open = stdout_->open() || (stderr_ != nullptr && stderr_->open());
    if (state_ == State::kDraining && !open) {
        finish();
    }
}

void Session::drain_tick() {
    if (stream_.congested()) {
        arm(kDrainTick,
            &Session::drain_tick);  // the client is slow: that is no reason to cut its output
        return;
    }
    const uint64_t bytes = output_bytes();
    ++drain_ticks_;
    if (bytes == drained_bytes_ || drain_ticks_ == kMaxDrainTicks) {
        finish();
        return;
    }
    drained_bytes_ = bytes;
    arm(kDrainTick, &Session::drain_tick);
}

void Session::finish() {
    close_stdio();
    proto::ExecServerFrame frame;
    proto::ExecExited& exited = *frame.mutable_exited();
    exited.set_code(static_cast<uint32_t>(exit_code_));
    exited.set_signal(static_cast<uint32_t>(exit_signal_));
    // A shell reports a killed child as its own exit status.
    if (exit_signal_ == SIGKILL || exit_code_ == 128 + SIGKILL) {
        exited.set_out_of_memory(enclosure_->out_of_memory());
    }
    send_last(frame);
}

void Session::send_last(const proto::ExecServerFrame& frame) {
    state_ = State::kLastWords;
    stream_.send(frame);
    stream_.finish();
    arm(kLastWordsTime, &Session::last_words_tick);
}

void Session::last_words_tick() {
    if (stream_.flushed()) {
        end();
    } else {
        arm(kLastWordsTime, &Session::last_words_tick);
    }
}

void Session::hang_up() {
    switch (state_) {
        case State::kWaiting:
        case State::kDraining:
        case State::kLastWords:
            close_stdio();
            end();
            return;
        case State::kDetached:
        case State::kHungUp:
        case State::kEnded:
            return;
        case State::kStarting:
        case State::kRunning:
            break;
    }
    const bool executed = state_ == State::kRunning;
    state_ = State::kHungUp;
    stream_.close();
    close_stdio();
    if (!executed) {
        // Not in its own group yet, maybe; nothing of it has run.
        ::kill(child_.pid, SIGKILL);
        reap();
        end();
        return;
    }
    ::kill(-child_.pid, SIGHUP);
    ::kill(-child_.pid, SIGCONT);
    arm(hang_up_grace_, &Session::kill_all);
}

void Session::detach() {
    state_ = State::kDetached;
    stream_.close();
    stdin_.reset();
    for (const auto* pump : {&stdout_, &stderr_}) {
        if (*pump != nullptr) {
            (*pump)->discard();
        }
    }
}

void Session::kill_all() {
    if (child_.pid > 0 && !reaped_) {
        ::kill(-child_.pid, SIGKILL);
        ::kill(child_.pid, SIGKILL);
    }
    if (enclosure_ != nullptr) {
        enclosure_->kill_all();
    }
}

void Session::close_stdio() {
    stdin_.reset();
    channels_ = {};
    for (const auto* pump : {&stdout_, &stderr_}) {
        if (*pump != nullptr) {
            (*pump)->close();
        }
    }
}

void Session::end() {
    if (state_ != State::kEnded) {
        state_ = State::kEnded;
        loop_.cancel_timer(timer_);
        stream_.close();
        on_end_();
    }
}

void Session::arm(Duration delay, void (Session::*then)()) {
    loop_.cancel_timer(timer_);
    timer_ = loop_.add_timer(delay, [this, then] { (this->*then)(); });
}

uint64_t Session::output_bytes() const {
    return stdout_->bytes() + (stderr_ != nullptr ? stderr_->bytes() : 0);
}

}  // namespace anchorhold::exec
