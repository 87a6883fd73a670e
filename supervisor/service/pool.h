// Guests and shells of one template that wait to be somebody's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "supervisor/service/engine.h"
#include "supervisor/service/held_sandbox.h"

namespace anchorhold::service {

// How many should wait.
struct PoolTarget {
    uint32_t parked = 0;
    uint32_t shells = 0;
};
constexpr uint32_t kMaxPoolTarget = 1024;  // of each

// What fills it decides elsewhere (pool_filler.h). What was claimed never comes back. Belongs to
// its event loop's thread.
class Pool {
  public:
    // `on_change`: one that waited died, or was claimed: there is room.
    Pool(EventLoop& loop, std::string template_name, std::function<void()> on_change);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    [[nodiscard]] const std::string& template_name() const { return template_name_; }
    [[nodiscard]] const PoolTarget& target() const { return target_; }
    // More than the target are ended, the youngest first.
    void set_target(PoolTarget target);
    [[nodiscard]] size_t parked() const { return parked_.size(); }
    [[nodiscard]] size_t shells() const { return shells_.size(); }
    [[nodiscard]] bool wants_parked() const { return parked_.size() < target_.parked; }
    [[nodiscard]] bool wants_shell() const { return shells_.size() < target_.shells; }

    // Ready ones, from whoever made them.
    void add_parked(HeldSandbox held);
    struct WaitingShell {
        std::unique_ptr<Shell> shell;
        SharedHandlers handlers;
    };
    void add_shell(WaitingShell shell);

    // Ends the youngest parked guest, or the youngest shell where there is none; false: nothing
    // waits.
    bool give_up_one();

    // The one that has waited longest; empty where there is none. Its handlers are unset.
    HeldSandbox claim_parked();
    std::unique_ptr<Shell> claim_shell();

    // For people and for the filler.
    std::string
        last_error;         // of making one, or of one that died while it waited; empty: none since
    uint32_t failures = 0;  // one after the other
    TimePoint not_before{};  // when the next one may be tried
    [[nodiscard]] uint64_t claimed() const { return claimed_; }

  private:
    void end_youngest_parked();
    void end_youngest_shell();
    void lost(const char* what, const std::string& error);

    EventLoop& loop_;
    const std::string template_name_;
    std::function<void()> on_change_;
    PoolTarget target_;
    std::deque<HeldSandbox> parked_;
    std::deque<WaitingShell> shells_;
    uint64_t claimed_ = 0;
};

// How long to wait after so many failures one after the other: 1 s, 2 s, 4 s, … 60 s.
[[nodiscard]] Duration pool_backoff(uint32_t failures);

}  // namespace anchorhold::service
