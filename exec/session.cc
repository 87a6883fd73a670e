// The first half of a session's life: frames, starting, running. The second is session_end.cc.
#include "exec/session.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include <utility>

#include "base/log.h"
#include "exec/terminal.h"

namespace anchorhold::exec {
namespace {

constexpr size_t kCreditUnit = proto::kStdinWindow / 4;
constexpr size_t kMaxEarlySignals = 64;

}  // namespace

Session::Session(EventLoop& loop, Launcher& launcher, Duration hang_up_grace,
                 const WhenLost& when_lost, OwnFd stream, std::function<void()> on_end)
    : loop_(loop),
      launcher_(launcher),
      hang_up_grace_(hang_up_grace),
      when_lost_(when_lost),
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
    if (when_lost_ == WhenLost::kDetach && state_ == State::kRunning) {
        detach();
    } else {
        hang_up();
    }
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
    state_ = State::kStarting;
    // Before stdin: a command that has closed its own already has said earlier that it runs, and is
    // heard in that order.
    ANCHORHOLD_TRY(loop_.add(child_.report.get(), EPOLLIN, [this](uint32_t) { on_report(); }));
    // Stdin may follow ExecStart at once; it waits in the pipe.
    if (channels_.in.valid()) {
        const auto kind = channels_.terminal.valid() ? InputKind::kTerminal : InputKind::kPipe;
        stdin_ = std::make_unique<StdinWriter>(
            loop_, std::move(channels_.in), kind,
            StdinWriter::Events{.written = [this](size_t bytes) { credit(bytes); },
                                .gone = [this] { stdin_gone(); }});
    }
    return {};
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
        // It has ended, or is about to; killed, it does so even where it stands frozen.
        ::kill(child_.pid, SIGKILL);
        reap();
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

}  // namespace anchorhold::exec
