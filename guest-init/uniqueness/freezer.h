// Everything of the agent's, standing still or not: the cgroup v2 freezer.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {

class Freezer {
  public:
    using Frozen = std::function<void()>;

    virtual ~Freezer() = default;

    // Asks everything to stand still; what is born afterwards stands still too. `frozen` is called
    // once all of it does, at once or from the loop, unless thaw() comes first. A process inside a
    // system call that cannot be interrupted delays it.
    virtual Status freeze(Frozen frozen) = 0;
    virtual Status thaw() = 0;
};

// Of one group and everything below it (Documentation/admin-guide/cgroup-v2.rst, cgroup.freeze).
class CgroupFreezer final : public Freezer {
  public:
    // `group` is a directory of a writable cgroup2 mount, needed during the call only. `loop`
    // outlives the freezer.
    static Result<std::unique_ptr<CgroupFreezer>> open(EventLoop& loop, int group);
    ~CgroupFreezer() override;
    CgroupFreezer(const CgroupFreezer&) = delete;
    CgroupFreezer& operator=(const CgroupFreezer&) = delete;

    Status freeze(Frozen frozen) override;
    Status thaw() override;

  private:
    CgroupFreezer(EventLoop& loop, OwnFd control, OwnFd events)
        : loop_(loop), control_(std::move(control)), events_(std::move(events)) {}
    [[nodiscard]] Result<bool> stands_still() const;
    void on_change();
    void stop_watching();

    EventLoop& loop_;
    OwnFd control_;
    OwnFd events_;
    bool watching_ = false;
    Frozen frozen_;
};

}  // namespace anchorhold::guest_init
