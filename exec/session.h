// One stream and one command: the life of a session of the server.
//
//   waiting for ExecStart -> starting (forked, not executed yet) -> running -> draining -> last
//   words -> ended
//
// A lost stream leads from anywhere to hung up (SIGHUP, after the grace time SIGKILL), and from
// there to ended; where streams are lost because the machine became another one (WhenLost::kDetach)
// a running command is detached instead: it goes on without input, and its output is dropped. Last
// words: the outcome was sent; the stream is half-closed and stays open until the client closes it,
// so that a close with unread input does not destroy what is still on its way.
//
// Draining begins when the command itself has ended. What it wrote is in the pipes by then and is
// always delivered. A background process may hold them open for ever, so draining ends when they
// close, when nothing came for 100 ms, or after one second in which the client was able to take
// more.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "exec/child.h"
#include "exec/frame_stream.h"
#include "exec/launcher.h"
#include "exec/output_pump.h"
#include "exec/stdin_writer.h"
#include "exec/stdio_channels.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec {

// What becomes of a command whose stream is lost.
enum class WhenLost : uint8_t { kHangUp, kDetach };

class Session final : private FrameStream::Handler {
  public:
    // `on_end` is called once, from the loop; the session may be destroyed from a later task, not
    // inside the call.
    // `when_lost` is looked at when the stream is lost.
    Session(EventLoop& loop, Launcher& launcher, Duration hang_up_grace, const WhenLost& when_lost,
            OwnFd stream, std::function<void()> on_end);
    // Kills what still runs.
    ~Session() override;

    // Says INTERNAL with `message` to the client and ends. Only before ExecStart.
    void refuse(const Refusal& refusal);

    // True when `pid` is this session's command and has not been reaped before: it is now, if it
    // has ended.
    bool collect(pid_t pid);

  private:
    enum class State {
        kWaiting,
        kStarting,
        kRunning,
        kDetached,
        kDraining,
        kHungUp,
        kLastWords,
        kEnded
    };

    void on_frame(std::string_view message) override;
    void on_drained() override;
    void on_lost(const Error& error) override;

    void start(const proto::ExecStart& start);
    Status fork_command(const proto::ExecStart& start, const Account& account);
    void on_report();
    void begin_running();
    void take_stdin(std::string_view bytes);
    void credit(size_t bytes);
    void stdin_gone();
    void output_gone(proto::OutputStream stream);
    void broken(std::string_view what);
    void resize(const proto::WindowSize& size);

    void signal_group(int number);
    void reap();
    void note_exit(const siginfo_t& info);
    [[nodiscard]] uint64_t output_bytes() const;
    void begin_draining();
    void check_drained();
    void drain_tick();
    void last_words_tick();
    void finish();
    void hang_up();
    void detach();
    void kill_all();
    void close_stdio();
    void send_last(const proto::ExecServerFrame& frame);
    void end();
    void arm(Duration delay, void (Session::*then)());

    EventLoop& loop_;
    Launcher& launcher_;
    Duration hang_up_grace_;
    const WhenLost& when_lost_;
    std::function<void()> on_end_;
    State state_ = State::kWaiting;
    FrameStream stream_;

    std::optional<Command> command_;
    std::unique_ptr<Enclosure> enclosure_;
    StartedChild child_;
    StartReport report_;
    bool reaped_ = false;
    int exit_code_ = 0;
    int exit_signal_ = 0;
    std::vector<int> early_signals_;

    StdioChannels channels_;  // until the command runs; only the terminal stays
    std::unique_ptr<StdinWriter> stdin_;
    std::unique_ptr<OutputPump> stdout_;
    std::unique_ptr<OutputPump> stderr_;
    size_t stdin_outstanding_ = 0;  // received and not yet credited
    size_t stdin_written_ = 0;      // of which written, to be credited soon

    EventLoop::TimerId timer_ = 0;
    uint64_t drained_bytes_ = 0;
    int drain_ticks_ = 0;
};

}  // namespace anchorhold::exec
