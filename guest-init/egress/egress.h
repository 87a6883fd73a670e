// All of the capture, put together and run in a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/event_loop.h"
#include "base/result.h"
#include "guest-init/egress/capture.h"
#include "guest-init/egress/dns_stub.h"
#include "guest-init/egress/host_connector.h"
#include "guest-init/egress/notices.h"
#include "guest-init/egress/steering.h"
#include "guest-init/egress/synthetic_names.h"

namespace anchorhold::guest_init {

// From its creation on, names resolve to synthetic addresses and TCP connections of the network
// namespace go to the host. What an agent does with its connections and questions costs this
// thread's time, not that of the thread that reaps, runs commands and obeys the supervisor.
class Egress {
  public:
    // Makes routes, sockets and the steering on the caller's thread, so that all of it stands when
    // this returns, then starts the thread. Signals that others wait for are blocked by then.
    // `host` outlives it.
    static Result<std::unique_ptr<Egress>> start(HostConnector& host);
    // Ends the thread and every connection.
    ~Egress();
    Egress(const Egress&) = delete;
    Egress& operator=(const Egress&) = delete;

    // Resets every connection, ends every stream to the host, then calls `held` on Egress's thread.
    // Until release() no stream is opened: new connections wait in the listener's queue.
    void hold(std::function<void()> held);
    void release();

  private:
    Egress(std::unique_ptr<EventLoop> loop, OwnFd listener, Steering steering, HostConnector& host);

    std::unique_ptr<EventLoop> loop_;
    OwnFd listener_;
    Steering steering_;
    SyntheticNames names_;
    Notices notices_;
    Capture capture_;
    std::unique_ptr<DnsStub> dns_;
    std::thread thread_;
};

}  // namespace anchorhold::guest_init
