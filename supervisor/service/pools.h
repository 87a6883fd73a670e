// All pools of a host: targets that survive a restart, claims, and the filling in the background.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/file_steps.h"
#include "supervisor/service/metrics.h"
#include "supervisor/service/pool.h"

namespace anchorhold::service {

// What all waiting guests together may take.
struct PoolLimits {
    uint64_t max_parked_bytes = uint64_t{4} << 30;       // host memory of parked guests
    uint32_t max_waiting = 256;                          // parked guests and shells
    uint64_t min_available_bytes = uint64_t{512} << 20;  // MemAvailable that is left to the host
    uint32_t cpu_percent = 50;  // of one processor, for filling: it rests between two
};

struct PoolView {
    std::string template_name;
    PoolTarget target;
    size_t parked = 0;
    size_t shells = 0;
    uint64_t claimed = 0;
    std::string last_error;
    std::string limit;  // what keeps it from its target now; empty: nothing
};

// Belongs to its event loop's thread. One guest or shell is made at a time, and none while a start
// that somebody waits for is under way, nor for kQuiet after it: the command it was for has the
// processor then. Where starts never cease, one is made every kMostYield all the same. A host whose
// memory falls below the limit gets back what waits.
class Pools {
  public:
    static constexpr Duration kQuiet = std::chrono::milliseconds(100);
    static constexpr Duration kMostYield = std::chrono::seconds(2);

    struct Parts {
        EventLoop& loop;
        SandboxEngine& engine;
        Metrics& metrics;
        FileSteps& steps;
        std::string file;  // where the targets are kept
        PoolLimits limits;
        std::function<uint64_t()> available_bytes;  // MemAvailable
    };
    explicit Pools(Parts parts);
    ~Pools();
    Pools(const Pools&) = delete;
    Pools& operator=(const Pools&) = delete;

    // Reads the targets and begins to fill.
    Status load();
    // Writes the target down, then works towards it. The error's code is ENOENT where there is no
    // such template, EINVAL for too many. Nothing of both removes the pool.
    Result<PoolView> set(const std::string& template_name, PoolTarget target);
    [[nodiscard]] std::vector<PoolView> list() const;
    [[nodiscard]] Result<PoolView> find(const std::string& template_name) const;

    // Empty where nothing waits.
    HeldSandbox claim_parked(const std::string& template_name);
    std::unique_ptr<Shell> claim_shell(const std::string& template_name);
    // From whichever pool's machines are of this shape.
    std::unique_ptr<Shell> claim_shell_of(const supervisor::MachineShape& shape);

    // A start that somebody waits for is under way, or is over.
    void begin_foreground();
    void end_foreground();
    // The same, for as long as somebody holds it.
    [[nodiscard]] std::shared_ptr<const void> foreground();

    // Ends everything that waits; nothing is filled any more.
    void stop();

    // For tests: whether something is being made now.
    [[nodiscard]] bool filling() const { return making_ != nullptr; }

  private:
    struct Making;
    [[nodiscard]] PoolView view(const Pool& pool) const;
    [[nodiscard]] std::string limit_for(const Pool& pool, const TemplateInfo& info) const;
    Status write_targets() const;
    Pool& pool_for(const std::string& template_name);
    void schedule(Duration delay);
    void fill_next();
    bool must_yield();
    bool begin_fill(Pool& pool);
    void fill_done(const std::shared_ptr<Making>& making);
    void fill_failed(const std::string& template_name, const std::string& error);
    void rest_after(TimePoint began);
    void watch_memory();
    void give_back();

    Parts parts_;
    std::map<std::string, std::unique_ptr<Pool>> pools_;
    std::map<std::string, std::string> limits_;  // by template: why it is not being filled
    std::string last_filled_;                    // turns go round
    std::shared_ptr<Making> making_;
    uint32_t foreground_ = 0;
    TimePoint quiet_until_{};
    std::optional<TimePoint> yielding_since_;
    EventLoop::TimerId timer_ = 0;
    EventLoop::TimerId memory_timer_ = 0;
    TimePoint resting_until_{};
    bool stopped_ = false;
    const std::shared_ptr<Pools*> self_ = std::make_shared<Pools*>(this);
};

// MemAvailable of this host in bytes; 0 where it does not say.
[[nodiscard]] uint64_t host_available_bytes();

}  // namespace anchorhold::service
