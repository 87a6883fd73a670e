// One sandbox: its VMM, its disk, and the streams into its guest. States: starting -> ready ->
// ended.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"
#include "supervisor/control_call.h"
#include "supervisor/installation.h"
#include "supervisor/spec.h"
#include "supervisor/timeline.h"
#include "supervisor/vmm_process.h"

namespace anchorhold::supervisor {

// A port of the host's that the guest may open streams to, and where the VMM passes them
// (SOCK_SEQPACKET, one GuestStream packet each).
struct GuestChannel {
    uint32_t port = 0;
    OwnFd socket;
};

// What a sandbox gets besides its machine.
struct SandboxParts {
    std::vector<GuestChannel> channels;
    // Sent to init when it is ready; on_ready follows its answer.
    std::optional<proto::ControlRequest> set_up;
};

// Belongs to its event loop's thread. The destructor leaves nothing: no process, no file, no mount.
class Sandbox {
  public:
    struct Handlers {
        std::function<void()> on_ready;  // exec streams can be opened
        // Once; the sandbox can only be destroyed afterwards. `error` is one line for a person,
        // empty for an orderly end.
        std::function<void(const std::string& error)> on_end;
        std::function<void(std::string_view bytes)>
            on_console;  // guest bytes; only with spec.console
    };

    // Opens everything, starts the VMM and returns; the guest boots meanwhile.
    static Result<std::unique_ptr<Sandbox>> start(EventLoop& loop, const Installation& installation,
                                                  const SandboxSpec& spec, SandboxParts parts,
                                                  Handlers handlers);
    ~Sandbox();
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    // A stream to init's exec listener (exec/client.h speaks on it). Only when ready.
    Result<OwnFd> open_exec_stream();

    // Ends the VM at once. on_end follows with no error. Nothing of the guest's is saved.
    void destroy();

    [[nodiscard]] const Timeline& timeline() const { return timeline_; }
    // The first command's milestones, for the timeline: the guest's TSC at its exec, and its first
    // byte's arrival now.
    void note_exec(uint64_t guest_tsc) { timeline_.exec = timeline_.from_guest_tsc(guest_tsc); }
    void note_first_byte() { timeline_.first_byte = monotonic_ns(); }
    [[nodiscard]] pid_t vmm_pid() const { return vmm_->pid(); }
    // Asks the VMM for its counters; `answer` runs when they arrive.
    Status request_statistics(std::function<void(const proto::Statistics&)> answer);

  private:
    Sandbox(EventLoop& loop, Handlers handlers);
    void handle_event(const proto::VmmEvent& event);
    void handle_vmm_end(const std::string& how);
    void accept_guest_stream();
    void read_ready();
    void handle_ready(const proto::Ready& ready);
    void set_up_guest();
    void give_up(std::string why);

    EventLoop& loop_;
    Handlers handlers_;
    Timeline timeline_;
    std::string image_;  // its file
    std::unique_ptr<VmmProcess> vmm_;
    OwnFd guest_streams_;  // where the VMM passes connections that the guest opened
    OwnFd ready_stream_;
    proto::FrameReader ready_frames_{proto::kMaxControlFrame};
    EventLoop::TimerId boot_deadline_ = 0;
    std::optional<std::string> outcome_;  // why it ended or is about to; first reason wins
    std::function<void(const proto::Statistics&)> statistics_answer_;
    std::optional<proto::ControlRequest> set_up_;
    std::unique_ptr<ControlCall> control_;
    bool ready_ = false;
};

}  // namespace anchorhold::supervisor
