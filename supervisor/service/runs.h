// Sandboxes without a name for one command each: gone with the client that asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/metrics.h"
#include "supervisor/service/sandboxes.h"
#include "supervisor/service/starter.h"
#include "supervisor/service/windows.h"

namespace anchorhold::service {

struct RunRequest {
    std::string template_name;  // empty: from spec.image
    supervisor::SandboxSpec spec;
    std::optional<supervisor::MemoryBackend> memory_backend;  // with a template
    std::vector<std::string> policies;
    StatedCommand command;
};

struct RunStream {
    CommandStream command;
    std::string sandbox;
    StartPath start = StartPath::cold;
    std::optional<supervisor::MemoryBackend> memory_backend;  // Started's
    std::string passed_over;
};

// The latency path: nothing is written to disk and nothing is kept, so that a run ends with us.
// Belongs to its event loop's thread.
class Runs {
  public:
    struct Parts {
        EventLoop& loop;
        SandboxEngine& engine;
        Starter& starter;
        Windows& windows;
        Metrics& metrics;
    };
    using OnStream = std::function<void(Result<RunStream>)>;

    explicit Runs(Parts parts) : parts_(std::move(parts)) {}
    ~Runs();
    Runs(const Runs&) = delete;
    Runs& operator=(const Runs&) = delete;

    // The sandbox is destroyed when the stream's `end` is called.
    void run(RunRequest request, OnStream done);
    [[nodiscard]] size_t count() const { return running_.size(); }

  private:
    struct Run;
    using RunRef = std::shared_ptr<Run>;
    Result<StartOrder> order_for(const RunRequest& request, const RunRef& run);
    void started(const RunRef& run, Result<Started> started, const StatedCommand& command,
                 const OnStream& done);
    void end(const RunRef& run, const std::string& reason);

    Parts parts_;
    uint64_t last_ = 0;
    std::map<uint64_t, RunRef> running_;
};

}  // namespace anchorhold::service
