// One sandbox: its VMM, its disk, and the streams into its guest. States: booting, or restored
// (parked first where that is asked for) -> ready -> ended.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"
#include "supervisor/control_call.h"
#include "supervisor/guest_identity.h"
#include "supervisor/installation.h"
#include "supervisor/pager_process.h"
#include "supervisor/shell.h"
#include "supervisor/snapshot_files.h"
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
    // Sent to init when it is ready; on_ready follows its answer. Not to a restored one: what it
    // carries is in the snapshot.
    std::optional<proto::ControlRequest> set_up;
    // The guest's memory, a sealable memfd of its size, where somebody else is to have it too;
    // empty: only the VMM has it. Not of a restored one.
    OwnFd memory;
    // The writable layer, where it is to be one that exists; empty: a new one without a name.
    OwnFd disk;
};

// What to restore, and how.
struct RestoreRequest {
    enum class Start : uint8_t { kRun, kPark } start = Start::kRun;
    const SnapshotFiles& files;
    GuestIdentity identity;        // with kRun
    std::unique_ptr<Shell> shell;  // of the snapshot's shape; null: one is started
    std::optional<MemoryBackend> memory = std::nullopt;  // unset: what the files allow
};

// What keeps a sandbox alive and lets another supervisor take it over.
struct AdoptedParts {
    OwnFd control;        // of its VMM
    OwnFd pidfd;          // of its VMM
    OwnFd guest_streams;  // where the VMM passes connections to kReadyPort; may be empty
    OwnFd disk;           // the writable layer; may be empty
    // Of the pager that serves its memory; empty where it has none.
    OwnFd pager_control = {};
    OwnFd pager_pidfd = {};
};

// Belongs to its event loop's thread. The destructor leaves nothing: no process, no file, no mount.
class Sandbox {
  public:
    struct Handlers {
        // Exec streams can be opened; of a parked one: claim() can be called. What is started in a
        // restored one stands still until the guest has its new identity.
        std::function<void()> on_ready;
        // Once; the sandbox can only be destroyed afterwards. `error` is one line for a person,
        // empty for an orderly end.
        std::function<void(const std::string& error)> on_end;
        std::function<void(std::string_view bytes)>
            on_console;  // guest bytes; only with spec.console
        // Once, of one that was restored or claimed: its agent goes on. Its failure is an end.
        std::function<void()> on_resumed = nullptr;
    };

    // Opens everything, starts the VMM and returns; the guest boots meanwhile.
    static Result<std::unique_ptr<Sandbox>> start(EventLoop& loop, const Installation& installation,
                                                  const SandboxSpec& spec, SandboxParts parts,
                                                  Handlers handlers);
    // Restores a snapshot and returns; its agent goes on as `request.identity` meanwhile. A
    // snapshot that this host cannot restore ends the sandbox with the reason.
    static Result<std::unique_ptr<Sandbox>> restore(EventLoop& loop,
                                                    const Installation& installation,
                                                    RestoreRequest request, SandboxParts parts,
                                                    Handlers handlers);
    // Takes over one that was ready under another supervisor (adopt.cc). on_ready is not called: it
    // is. What it said meanwhile is read from the event loop.
    static Result<std::unique_ptr<Sandbox>> adopt(EventLoop& loop, const std::string& image,
                                                  AdoptedParts parts, Handlers handlers);
    ~Sandbox();
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    // A stream to init's exec listener (exec/client.h speaks on it). Only when ready.
    Result<OwnFd> open_exec_stream();

    // Lets a parked one go on as `identity`; exec streams can be opened at once.
    // `set_up`, where there is one, reaches init first.
    Status claim(const GuestIdentity& identity, const proto::ControlRequest* set_up = nullptr);
    [[nodiscard]] bool parked() const { return state_ == State::kParked; }

    // The requests to a VMM, one at a time: each is answered once, with an error when it failed or
    // the VMM ended first. The answer's handler may make the next request, and must not destroy
    // this object.
    using OnEvent = std::function<void(const Result<proto::VmmEvent>&)>;
    Status pause(OnEvent on_paused);
    Status run(OnEvent on_running);
    // Of a paused one, into empty files: state, and memory (a file of its size) or nothing where
    // the memory file that it was started with is to be the snapshot.
    Status snapshot(int state, std::optional<int> memory, OnEvent on_written);
    // Of a paused one that was restored.
    Status record_working_set(int target, OnEvent on_written);

    // A request to init; any number at a time. Nothing is answered once the sandbox has ended.
    Status control(const proto::ControlRequest& request, ControlCall::OnAnswer on_answer);
    // How much memory the guest is asked to give back.
    Status set_balloon(uint64_t bytes);

    // The writable layer's file, as the guest left it while it is paused; -1 where there is none.
    [[nodiscard]] int disk() const { return disk_.get(); }

    // Borrowed: AdoptedParts, by number.
    struct Descriptors {
        int control = -1;
        int pidfd = -1;
        int guest_streams = -1;
        int disk = -1;
        int pager_control = -1;
        int pager_pidfd = -1;
    };
    [[nodiscard]] Descriptors descriptors() const;
    // Forgets the VM, which runs on for as long as somebody holds its control socket; only the
    // destructor may follow.
    void let_go();

    // Ends the VM at once. on_end follows with no error. Nothing of the guest's is saved.
    void destroy();

    [[nodiscard]] const Timeline& timeline() const { return timeline_; }
    // The first command's milestones, for the timeline: the guest's TSC at its exec, and its first
    // byte's arrival now.
    void note_exec(uint64_t guest_tsc) { timeline_.exec = timeline_.from_guest_tsc(guest_tsc); }
    void note_first_byte() { timeline_.first_byte = monotonic_ns(); }
    [[nodiscard]] pid_t vmm_pid() const { return vmm_->pid(); }
    // How a restored one gets its memory; kFile of any other.
    [[nodiscard]] MemoryBackend memory_backend() const {
        return pager_ ? MemoryBackend::kUserfaultfd : MemoryBackend::kFile;
    }
    // Asks the VMM for its counters; `answer` runs when they arrive.
    Status request_statistics(std::function<void(const proto::Statistics&)> answer);

  private:
    enum class State : uint8_t { kBooting, kRestoring, kParking, kParked, kReady };
    struct Awaited {
        proto::VmmEvent::EventCase event;
        OnEvent then;
    };

    Sandbox(EventLoop& loop, Handlers handlers);
    VmmProcess::Handlers vmm_handlers();
    Result<OwnFd> watch_guest_streams();
    void limit_start();
    Status resume_guest(const GuestIdentity& identity);
    Status ask(const proto::VmmCommand& command, std::span<const int> fds,
               proto::VmmEvent::EventCase answer, OnEvent then);
    static OnEvent checked(OnEvent then);
    void handle_restored(const proto::Restored& times);
    void handle_event(const proto::VmmEvent& event);
    void handle_vmm_end(const std::string& how);
    void set_outcome(std::string otherwise);
    void accept_guest_stream();
    void read_ready();
    void handle_ready(const proto::Ready& ready);
    void set_up_guest();
    void give_up(std::string why);
    void init_failed(const std::string& what, const Error& error);

    EventLoop& loop_;
    Handlers handlers_;
    Timeline timeline_;
    std::string image_;                    // its file
    std::unique_ptr<PagerProcess> pager_;  // outlives the VMM; only where it fills the memory
    std::unique_ptr<VmmProcess> vmm_;
    OwnFd guest_streams_;  // where the VMM passes connections that the guest opened
    OwnFd ready_stream_;
    proto::FrameReader ready_frames_{proto::kMaxControlFrame};
    EventLoop::TimerId boot_deadline_ = 0;
    GuestIdentity identity_;              // of one that is being restored to run
    std::optional<std::string> outcome_;  // why it ended or is about to; first reason wins
    std::function<void(const proto::Statistics&)> statistics_answer_;
    std::optional<proto::ControlRequest> set_up_;
    OwnFd disk_;
    std::optional<Awaited> awaited_;
    std::map<uint64_t, std::unique_ptr<ControlCall>> controls_;
    uint64_t last_control_ = 0;
    State state_ = State::kBooting;
};

}  // namespace anchorhold::supervisor
