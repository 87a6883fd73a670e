// The serving side of proto/exec.proto: any number of sessions, each one stream and one command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "base/event_loop.h"
#include "base/fd.h"
#include "exec/launcher.h"

namespace anchorhold::exec {

class Session;
enum class WhenLost : uint8_t;  // session.h

struct ServerLimits {
    size_t sessions = 256;  // further streams are refused INTERNAL
    Duration hang_up_grace =
        std::chrono::seconds(2);  // from SIGHUP to SIGKILL when a stream is lost
};

// Owns the sessions. Everything happens on the loop's thread. Background processes of a command
// outlive its session: once the command itself has ended, its output is drained until both ends are
// closed or quiet (exec/session.h), never longer.
class ExecServer {
  public:
    // `loop` and `launcher` outlive the server. SIGPIPE must be ignored in the process.
    ExecServer(EventLoop& loop, Launcher& launcher, ServerLimits limits = {});
    // Commands that still run get SIGKILL, with everything in their process group and enclosure.
    ~ExecServer();
    ExecServer(const ExecServer&) = delete;
    ExecServer& operator=(const ExecServer&) = delete;

    // Serves one client on a connected stream (socket of any family), which becomes nonblocking.
    // The client sends ExecStart first. A malformed or oversized frame ends this session and no
    // other.
    void serve(OwnFd stream);

    // For a process that reaps orphans (PID 1): takes note of the end of `pid` when it is the
    // command of a session, and reaps it. False when the pid is nobody's here: then the caller
    // reaps it. Without such a caller sessions notice the end by themselves.
    bool collect(pid_t pid);

    // From now on. Commands that are detached have no session's stream, but count as sessions until
    // they end.
    void set_when_lost(WhenLost when_lost) { when_lost_ = when_lost; }

    // Streams being served, including those whose command has not started yet.
    [[nodiscard]] size_t sessions() const { return sessions_.size(); }

  private:
    EventLoop& loop_;
    Launcher& launcher_;
    ServerLimits limits_;
    WhenLost when_lost_{};  // kHangUp
    uint64_t next_id_ = 1;
    std::unordered_map<uint64_t, std::unique_ptr<Session>> sessions_;
    std::shared_ptr<bool> alive_;  // posted removals look at it before they touch the server
};

}  // namespace anchorhold::exec
