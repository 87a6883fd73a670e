// The agent standing still, and going on as another: Freeze and Resume.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/event_loop.h"
#include "base/result.h"
#include "guest-init/uniqueness/freezer.h"
#include "guest-init/uniqueness/identity.h"
#include "proto/guest_control.pb.h"

namespace anchorhold::guest_init {

class Stillness {
  public:
    struct Parts {
        Freezer* freezer = nullptr;  // none where the kernel has no cgroups: Freeze then fails
        Identity& identity;
        // Ends all streams to the host and opens no others, then calls back on the loop's thread.
        std::function<void(std::function<void()>)> hold_streams;
        std::function<void()> release_streams;  // also where none are held
        std::function<Status()> drop_caches;
    };
    using Done = std::function<void(const Status&)>;

    static constexpr Duration kPatience = std::chrono::seconds(2);

    // All references outlive it.
    Stillness(EventLoop& loop, Parts parts);
    ~Stillness();
    Stillness(const Stillness&) = delete;
    Stillness& operator=(const Stillness&) = delete;

    // Streams end (where asked), then the agent stands still, then caches are dropped (where
    // asked), then `done` is called, at once or from the loop. An error means that the agent runs
    // on as before, or stands still as before where it did already. Fails when streams and agent
    // take longer than kPatience, and when a Freeze is already on its way.
    void freeze(const proto::Freeze& request, Done done);

    // Fields in the order entropy, wall clock, machine-id, boot_id, host name, generation, hooks;
    // then the agent goes on. Fields are refused while the agent runs: it would see both guests.
    // Where a step fails the agent stands still for ever: no Resume is taken any more. A Freeze on
    // its way is called off; a plain Resume of a running agent changes nothing.
    Status resume(const proto::Resume& request);

  private:
    enum class State {
        kRunning,
        kFreezing,
        kFrozen,
        kHalfResumed,  // neither the one guest nor the other
    };

    void freeze_agent();
    void on_frozen();
    void on_deadline();
    void undo(const Error& error);
    void finish(const Status& status);
    Status become(const proto::Resume& request);
    Status thaw();

    EventLoop& loop_;
    Parts parts_;
    State state_ = State::kRunning;

    // Of the Freeze on its way.
    Done done_;
    State before_ = State::kRunning;
    bool drop_caches_ = false;
    const char* waits_for_ = "";
    EventLoop::TimerId deadline_ = 0;
    uint64_t attempt_ = 0;  // tells an answer of the streams that is late from one that is awaited
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace anchorhold::guest_init
