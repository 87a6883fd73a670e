// A command in the foreground of our terminal: signals, window size, a second Ctrl-C, a time limit.
// The same whether the command runs in a sandbox or we speak to ourselves in the emulated host.
#pragma once

#include <functional>
#include <memory>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "cli/terminal.h"
#include "exec/client.h"

namespace anchorhold::cli {

// Signals of ours become the command's; SIGWINCH becomes a resize; the terminal is raw while one is
// attached.
class Foreground {
  public:
    struct Options {
        bool terminal = false;            // raw mode on standard input
        std::function<void()> on_insist;  // a second SIGINT, SIGTERM or SIGHUP: stop at once
    };

    // Blocks the signals in this thread until destruction and takes the terminal.
    static Result<std::unique_ptr<Foreground>> create(EventLoop& loop, Options options);
    ~Foreground();
    Foreground(const Foreground&) = delete;
    Foreground& operator=(const Foreground&) = delete;

    // From now on signals go to `client`, which must be detached before it is destroyed. Signals
    // that came before are delivered.
    void attach(exec::ExecClient* client);
    void detach() { client_ = nullptr; }

    // The last signal that asked us to stop, or 0.
    [[nodiscard]] int stop_signal() const { return stop_signal_; }

  private:
    Foreground(EventLoop& loop, Options options) : loop_(loop), options_(std::move(options)) {}
    void receive();
    void handle(int number);

    EventLoop& loop_;
    Options options_;
    OwnFd signals_;
    std::unique_ptr<RawTerminal> raw_;
    exec::ExecClient* client_ = nullptr;
    int stop_signal_ = 0;
};

}  // namespace anchorhold::cli
