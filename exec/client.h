// The asking side of proto/exec.proto: one command run somewhere else, its stdio here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "base/event_loop.h"
#include "base/fd.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec {

// Descriptors of ours that the command's streams are connected to. Borrowed: they stay open and
// keep their flags (they may be shared with the user's shell). Any kind: file, pipe, terminal,
// socket, /dev/null. -1: no stdin, or output dropped.
struct Stdio {
    int in = -1;
    int out = -1;
    int err = -1;
};

// The command ended. `signal` is 0 unless a signal killed it.
struct Exited {
    int code = 0;
    int signal = 0;
    bool out_of_memory = false;
};
// The command never ran. `message` is one line from the other side: escape it before printing.
struct Refused {
    proto::ExecRefused::Reason reason = proto::ExecRefused::INTERNAL;
    std::string message;
};
// The stream ended, failed or broke the protocol before an outcome arrived.
struct Lost {
    std::string message;
};
using Outcome = std::variant<Exited, Refused, Lost>;

// Optional looks at a run as it proceeds. Called on the loop's thread.
struct ClientHooks {
    std::function<void(const proto::ExecStarted&)> started;
    std::function<void()>
        first_byte;  // the first byte of output has arrived and is not yet written
};

class ExecClient {
  public:
    using OnEnd = std::function<void(const Outcome&)>;

    // Sends `start` on a connected stream (which becomes nonblocking) and pumps until the command
    // ended and all of its output was written to `stdio`. Then calls `on_end` once, from the loop,
    // with nothing of the client on the stack: it may destroy the client. Where stdio.in is -1 set
    // start.no_stdin. SIGPIPE must be ignored in the process. Memory is bounded: 256 KiB of stdin
    // on the way, one frame of output.
    ExecClient(EventLoop& loop, OwnFd stream, const proto::ExecStart& start, Stdio stdio,
               OnEnd on_end, ClientHooks hooks = {});
    // Ends the run: the other side hangs up on the command (SIGHUP, then SIGKILL). `on_end` is not
    // called any more.
    ~ExecClient();
    ExecClient(const ExecClient&) = delete;
    ExecClient& operator=(const ExecClient&) = delete;

    // Sends a signal (Linux x86-64 number, 1 to 64) to the command's process group. Dropped once
    // the run has ended.
    void signal(int number);

    // Tells the command's terminal its new size. Dropped where there is none.
    void resize(uint32_t rows, uint32_t columns);

  private:
    class Pump;
    std::unique_ptr<Pump> pump_;
};

}  // namespace anchorhold::exec
