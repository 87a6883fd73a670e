// The states of a session and what moves it from one to the next.
#include "exec/session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "exec/terminal.h"

namespace anchorhold::exec {
namespace {

constexpr Duration kDrainTick = std::chrono::milliseconds(100);
constexpr int kMaxDrainTicks = 10;
constexpr Duration kLastWordsTime =
    std::chrono::seconds(5);  // for the client to take the outcome and close
constexpr size_t kCreditUnit = proto::kStdinWindow / 4;
constexpr size_t kMaxEarlySignals = 64;

}  // namespace

Session::Session(EventLoop& loop, Launcher& launcher, Duration hang_up_grace, OwnFd stream,
                 std::function<void()> on_end)
    : loop_(loop),
      launcher_(launcher),
      hang_up_grace_(hang_up_grace),
      on_end_(std::move(on_end)),
      stream_(loop, std::move(stream), proto::kMaxExecClientFrame, *this) {}

Session::~Session() {
    loop_.cancel_timer(timer_);
    if (child_.report.valid()) {
        loop_.remove(child_.report.get());
    }
    if (child_.pidfd.valid()) {
        loop_.remove(child_.pidfd.get());
    }
    if (child_.pid > 0 && !reaped_) {
        kill_all();
        siginfo_t info{};
        ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(child_.pidfd.get()), &info,
                 WEXITED);
    }
}

void Session::on_frame(std::string_view message) {
    const auto frame = proto::parse<proto::ExecClientFrame>(message, "frame");
    if (!frame) {
        broken("a frame that is not a message");
        return;
    }
    using Frame = proto::ExecClientFrame;
    if ((state_ == State::kWaiting) != (frame->frame_case() == Frame::kStart)) {
        broken(state_ == State::kWaiting ? "a frame before ExecStart" : "a second ExecStart");
        return;
    }
    switch (frame->frame_case()) {
        case Frame::kStart:
            start(frame->start());
            return;
        case Frame::kStdinData:
            take_stdin(frame->stdin_data());
            return;
        case Frame::kStdinEnd:
            if (stdin_ != nullptr) {
                stdin_->end();
            }
            return;
        case Frame::kSignal:
            if (frame->signal().number() < 1 || frame->signal().number() > 64) {
                broken("a signal number that does not exist");
                return;
            }
            signal_group(static_cast<int>(frame->signal().number()));
            return;
        case Frame::kResize:
            resize(frame->resize());
            return;
        case Frame::kOutputGone:
            output_gone(frame->output_gone().stream());
            return;
        case Frame::FRAME_NOT_SET:
            broken("an empty or unknown frame");
            return;
    }
}

void Session::on_drained() {
    if (stdout_ != nullptr) {
        stdout_->resume();
    }
    if (stderr_ != nullptr) {
        stderr_->resume();
    }
}

void Session::on_lost(const Error& error) {
    log::debug("exec session: {}", error.message);
    hang_up();
}

void Session::broken(std::string_view what) {
    log::warning("exec session: the client sent {}", what);
    stream_.close();
    hang_up();
}

// ---- starting

void Session::refuse(const Refusal& refusal) {
    proto::ExecServerFrame frame;
    frame.mutable_refused()->set_reason(refusal.reason);
    frame.mutable_refused()->set_message(refusal.message);
    send_last(frame);
}

void Session::start(const proto::ExecStart& start) {
    const auto account = launcher_.account(start.user());
    if (!account) {
        refuse({proto::ExecRefused::BAD_REQUEST, account.error().message});
        return;
    }
    auto command = make_command(start, *account);
    if (!command) {
        refuse({proto::ExecRefused::BAD_REQUEST, command.error().message});
        return;
    }
    command_ = std::move(*command);
    const Status forked = fork_command(start, *account);
    if (!forked) {
        refuse({proto::ExecRefused::INTERNAL, forked.error().message});
    }
}

Status Session::fork_command(const proto::ExecStart& start, const Account& account) {
    enclosure_ = ANCHORHOLD_TRY(launcher_.enclose(account));
    channels_ = ANCHORHOLD_TRY(open_stdio(start, account.uid));
    const auto controlling =
        channels_.terminal.valid() ? Controlling::kTerminal : Controlling::kNone;
    child_ = ANCHORHOLD_TRY(start_child(
        {.command = *command_,
         .enclosure = *enclosure_,
         .stdio = {channels_.child_in.get(), channels_.child_out.get(), channels_.child_err.get()},
         .controlling = controlling}));
    channels_.child_in.reset();
    channels_.child_out.reset();
    channels_.child_err.reset();
    // Stdin may follow ExecStart at once; it waits in the pipe.
    if (channels_.in.valid()) {
        const auto kind = channels_.terminal.valid() ? InputKind::kTerminal : InputKind::kPipe;
        stdin_ = std::make_unique<StdinWriter>(
            loop_, std::move(channels_.in), kind,
            StdinWriter::Events{.written = [this](size_t bytes) { credit(bytes); },
                                .gone = [this] { stdin_gone(); }});
    }
    state_ = State::kStarting;
    return loop_.add(child_.report.get(), EPOLLIN, [this](uint32_t) { on_report(); });
}

void Session::on_report() {
    const StartReport::State told = report_.read(child_.report.get(), *command_);
    if (told == StartReport::State::kWaiting) {
        return;
    }
    loop_.remove(child_.report.get());
    child_.report.reset();
    if (state_ != State::kStarting) {
        return;
    }
    if (told == StartReport::State::kRefused) {
        reap();  // it has ended, or is about to: this waits for its last instructions
        close_stdio();
        refuse(report_.refusal());
        return;
    }
    begin_running();
}

void Session::begin_running() {
    state_ = State::kRunning;
    proto::ExecServerFrame frame;
    frame.mutable_started()->set_pid(static_cast<uint32_t>(child_.pid));
    frame.mutable_started()->set_tsc_exec(report_.tsc_exec());
    stream_.send(frame);
    const auto closed = [this] { check_drained(); };
    stdout_ = std::make_unique<OutputPump>(loop_, stream_, proto::STDOUT, std::move(channels_.out),
                                           closed);
    if (channels_.err.valid()) {
        stderr_ = std::make_unique<OutputPump>(loop_, stream_, proto::STDERR,
                                               std::move(channels_.err), closed);
    }
    for (const int number : early_signals_) {
        signal_group(number);
    }
    early_signals_.clear();
    if (reaped_) {
        begin_draining();  // a reaper was faster than the report
    } else {
        const Status watching =
            loop_.add(child_.pidfd.get(), EPOLLIN, [this](uint32_t) { collect(child_.pid); });
        if (!watching) {
            log::error("exec session: {}", watching.error().message);
            hang_up();
        }
    }
}

// ---- running

void Session::take_stdin(std::string_view bytes) {
    if (bytes.size() > proto::kMaxStdioChunk ||
        bytes.size() > proto::kStdinWindow - stdin_outstanding_) {
        broken("more stdin than the window has room for");
        return;
    }
    stdin_outstanding_ += bytes.size();
    if (stdin_ != nullptr) {
        stdin_->feed(bytes);
    } else {
        credit(bytes.size());
    }
}

void Session::credit(size_t bytes) {
    stdin_written_ += bytes;
    // In large units: the client has three quarters of the window left before the first one.
    if (stdin_written_ >= kCreditUnit) {
        proto::ExecServerFrame frame;
        frame.mutable_stdin_credit()->set_bytes(static_cast<uint32_t>(stdin_written_));
        stdin_outstanding_ -= stdin_written_;
        stdin_written_ = 0;
        stream_.send(frame);
    }
}

void Session::stdin_gone() {
    proto::ExecServerFrame frame;
    frame.mutable_stdin_gone();
    stream_.send(frame);
}

void Session::output_gone(proto::OutputStream stream) {
    const auto& pump = stream == proto::STDERR ? stderr_ : stdout_;
    if (pump == nullptr) {
        return;
    }
    if (channels_.terminal.valid()) {
        close_stdio();  // the terminal hangs up
    }
    pump->close();
    check_drained();
}

void Session::resize(const proto::WindowSize& size) {
    if (channels_.terminal.valid()) {
        const Status resized = resize_terminal(channels_.terminal.get(),
                                               {.rows = size.rows(), .columns = size.columns()});
        if (!resized) {
            log::debug("exec session: {}", resized.error().message);
        }
    }
}

void Session::signal_group(int number) {
    if (state_ == State::kStarting) {
        // Its process group may not exist yet.
        if (early_signals_.size() < kMaxEarlySignals) {
            early_signals_.push_back(number);
        }
    } else if (child_.pid > 0 && !reaped_) {
        ::kill(-child_.pid, number);
    }
}

// ---- ending

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
    } else if (state_ == State::kHungUp) {
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
