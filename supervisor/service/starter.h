// Getting a guest the fastest way there is: parked, shell, restore, cold.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/held_sandbox.h"
#include "supervisor/service/metrics.h"
#include "supervisor/service/pools.h"

namespace anchorhold::service {

// Where a sandbox's channels and set-up come from, when it has a window. Either may be asked for
// again when the way that was tried led nowhere; what was given before is void then.
struct WindowSide {
    std::function<Result<supervisor::SandboxParts>()> parts;
    // Takes the host's ends of channels that exist already.
    std::function<Result<std::optional<proto::ControlRequest>>(
        std::vector<supervisor::GuestChannel> channels)>
        take_channels;
};

struct StartOrder {
    std::string name;
    std::string folder;         // StartRequest::folder
    std::string template_name;  // empty: cold, from spec.image
    supervisor::SandboxSpec spec;
    // From a template; unset: the template's own.
    std::optional<supervisor::MemoryBackend> memory_backend = std::nullopt;
    GuestIdentity identity;
    WindowSide window;  // unset functions: no window
};

struct Started {
    HeldSandbox held;  // its handlers are unset; not to be destroyed before the callback returned
    StartPath path = StartPath::cold;
    // Of one that was not started cold.
    std::optional<supervisor::MemoryBackend> memory_backend;
    Duration took{};
    std::string passed_over;  // why it was not one of the faster ways, where something failed
};

// Belongs to its event loop's thread.
class Starter {
  public:
    using OnStarted = std::function<void(Result<Started>)>;

    Starter(EventLoop& loop, SandboxEngine& engine, Pools& pools, Metrics& metrics);
    ~Starter();  // ends what is under way; nobody is told
    Starter(const Starter&) = delete;
    Starter& operator=(const Starter&) = delete;

    // `on_started` runs once, perhaps before this returns.
    void start(StartOrder order, OnStarted on_started);

  private:
    struct Attempt;
    using AttemptRef = std::shared_ptr<Attempt>;
    void try_parked(const AttemptRef& attempt);
    void try_restore(const AttemptRef& attempt, StartPath path);
    void try_cold(const AttemptRef& attempt);
    void try_after(const AttemptRef& attempt, const std::string& why);
    void watch(const AttemptRef& attempt);
    void take(const AttemptRef& attempt, SandboxEngine::Made made);
    Result<StartRequest> request_for(const AttemptRef& attempt) const;
    void succeed(const AttemptRef& attempt);
    void finish(const AttemptRef& attempt, Result<Started> result);

    EventLoop& loop_;
    SandboxEngine& engine_;
    Pools& pools_;
    Metrics& metrics_;
    std::set<AttemptRef> attempts_;
};

}  // namespace anchorhold::service
