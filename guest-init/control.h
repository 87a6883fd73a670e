// The control channel: requests of the supervisor, answered one after the other.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "proto/guest_control.pb.h"

namespace anchorhold::guest_init {

class ControlServer {
  public:
    // What requests ask for. Each runs on the loop's thread; an error is told to the supervisor.
    struct Actions {
        using Done = std::function<void(const Status&)>;

        std::function<Status(const proto::SetUp&)> set_up;
        // Calls back once, at once or later; other requests of the connection wait until then.
        std::function<void(const proto::Freeze&, Done)> freeze;
        std::function<Status(const proto::Resume&)> resume;
        std::function<Status()> prepare_power_off;  // ends everything and syncs
        std::function<void()> reset;  // after the answer has left; does not return in a guest
    };

    // `loop` outlives the server.
    ControlServer(EventLoop& loop, Actions actions);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // Serves one connection until either side ends it. A malformed request ends it. What a Resume
    // carried as entropy is wiped once it was used.
    void serve(OwnFd stream);

  private:
    class Connection;

    EventLoop& loop_;
    Actions actions_;
    std::list<std::unique_ptr<Connection>> connections_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace anchorhold::guest_init
