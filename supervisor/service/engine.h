// What the service needs of whoever makes sandboxes: supervisor::Sandbox behind it in the program
// (sandbox_engine.h), a fake in tests. Everything that takes time answers through a callback from
// the event loop; nothing here waits.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "proto/guest_control.pb.h"
#include "supervisor/sandbox.h"
#include "supervisor/spec.h"

namespace anchorhold::service {

// How a guest came to be, the fastest first.
enum class StartPath {
    parked,   // a restored VM was waiting
    shell,    // a VM without a guest was waiting and became the template's
    restore,  // a VM was made and became the template's
    cold,     // it booted
};
[[nodiscard]] std::string_view to_text(StartPath path);

// Who a guest is from now on (proto/guest_control.proto's Resume; the engine adds entropy and
// time).
struct GuestIdentity {
    uint64_t generation = 0;  // 0: the same guest as before goes on
    std::string host_name;
    std::string machine_id;  // 32 hex digits
};

// A saved guest that new ones are made from.
struct TemplateInfo {
    std::string name;
    std::string image;  // for a cold start instead
    uint32_t cpus = 1;
    uint64_t memory_bytes = 0;
    uint64_t disk_bytes = 0;
    // How its guests get their memory unless asked otherwise.
    supervisor::MemoryBackend memory_backend = supervisor::MemoryBackend::kFile;
    uint64_t parked_bytes = 0;  // host memory that one parked guest takes, as far as known
};

// A descriptor that whoever adopts the sandbox needs, under the name it is kept by.
struct KeptDescriptor {
    std::string role;
    int fd = -1;  // borrowed
};

// A VM without a guest. The destructor ends it.
class Shell {
  public:
    virtual ~Shell() = default;
};

struct StartRequest {
    std::string name;
    std::string folder;  // the sandbox's own, where its disk is (made there if it is not); empty: a
                         // sandbox without a name, whose disk has none either
    supervisor::SandboxSpec spec;
    std::optional<supervisor::MemoryBackend> memory_backend = std::nullopt;  // of restore()
    GuestIdentity identity;
    supervisor::SandboxParts parts;
    std::unique_ptr<Shell> shell;  // of fork(): what the child becomes; empty: a VMM is started
};

// What a parked guest is told when it becomes somebody's.
struct ClaimRequest {
    std::string name;
    std::string folder;  // as in StartRequest: the parked one's nameless disk gets its name there
    GuestIdentity identity;
    std::optional<proto::ControlRequest> set_up;  // sent before the agent runs
};

// A sandbox that has a VM. Belongs to its event loop's thread. The destructor ends the VM unless it
// was let go. Callbacks given to an operation are forgotten when the object is destroyed; an
// operation that is asked for while another runs fails with EBUSY.
class LiveSandbox {
  public:
    using Done = std::function<void(const Status&)>;
    struct Handlers {
        // Once: what was asked for when it was made is done. The object must not be destroyed in
        // it.
        std::function<void()> on_ready;
        // Once: the VM is gone. `error` is one line, empty for an end that was asked for. The
        // object may be destroyed in it.
        std::function<void(const std::string& error)> on_end;
    };

    virtual ~LiveSandbox() = default;

    // A stream to the guest's exec listener.
    virtual Result<OwnFd> open_exec_stream() = 0;
    // How many streams the guest has with the host; init's own for notices is one of them where the
    // sandbox has a window.
    virtual void count_streams(std::function<void(const Result<uint64_t>&)> answer) = 0;

    // No vCPU runs afterwards; the agent was frozen first.
    virtual void pause(Done done) = 0;
    // The agent runs afterwards; no error where it does already.
    virtual void resume(const GuestIdentity& identity, Done done) = 0;
    // Writes everything that restore_snapshot() needs into the new folder `folder`, and syncs it.
    // The sandbox stands still before and afterwards.
    virtual void snapshot(const std::string& folder, Done done) = 0;
    // Makes one sandbox of each request, with this one's memory and a copy of its disk; all run
    // when it is done, or none exists. This one ends up as it was: running or paused.
    using OnForked = std::function<void(Result<std::vector<std::unique_ptr<LiveSandbox>>>)>;
    virtual void fork(std::vector<StartRequest> children, std::vector<Handlers> handlers,
                      OnForked on_forked) = 0;
    // Makes a parked one somebody's: identity, set-up, then the agent runs. Done when the guest is
    // who it is to be, since nobody could tell it later; one without a folder, which does not
    // outlive its supervisor, is done at once, and what is started in it stands still until then.
    virtual void claim(ClaimRequest request, Done done) = 0;

    // The host's ends of a parked guest's channels (SandboxParts::channels), once.
    virtual std::vector<supervisor::GuestChannel> take_channels() = 0;

    // Asks the guest to write out its disk and end; on_end follows, at the latest after a while.
    virtual void power_off() = 0;
    // Ends the VM at once; on_end follows.
    virtual void destroy() = 0;
    // Forgets the VM, which runs on; only the destructor may follow.
    virtual void let_go() = 0;

    [[nodiscard]] virtual std::vector<KeptDescriptor> descriptors() const = 0;
    [[nodiscard]] virtual pid_t vmm_pid() const = 0;
};

class SandboxEngine {
  public:
    virtual ~SandboxEngine() = default;
    using Made = Result<std::unique_ptr<LiveSandbox>>;
    using Handlers = LiveSandbox::Handlers;

    // The error's code is ENOENT where there is no such template.
    virtual Result<TemplateInfo> find_template(const std::string& name) = 0;

    // Boots. Ready: takes commands.
    virtual Made start_cold(StartRequest request, Handlers handlers) = 0;
    // Becomes the template's guest, in `shell` where there is one. Ready: takes commands, and, as
    // after claim(), one with a folder is who it is to be.
    virtual Made restore(const TemplateInfo& origin, StartRequest request,
                         std::unique_ptr<Shell> shell, Handlers handlers) = 0;
    // The same, and waits: ready means that it may be claimed. Its channels (egress and notices)
    // are made here.
    virtual Made park(const TemplateInfo& origin, std::unique_ptr<Shell> shell,
                      Handlers handlers) = 0;
    // on_ready: it waits. on_end: it died before it was used.
    virtual Result<std::unique_ptr<Shell>> make_shell(const TemplateInfo& origin,
                                                      Handlers handlers) = 0;
    // The guest that snapshot() wrote, on the sandbox's own disk. Ready: it stands still and
    // nothing of it has run; resume() lets it.
    virtual Made restore_snapshot(const std::string& folder, StartRequest request,
                                  Handlers handlers) = 0;
    // Takes a sandbox that another supervisor started, from descriptors that were kept by role.
    // Ready: its VMM answers.
    virtual Made adopt(const std::string& name, std::map<std::string, OwnFd> descriptors,
                       const supervisor::SandboxSpec& spec, Handlers handlers) = 0;
};

}  // namespace anchorhold::service
