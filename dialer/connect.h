// Connecting to one of several addresses: the next starts a little after the last, the first that
// answers wins (RFC 8305 §5).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "dialer/ip_address.h"

namespace anchorhold::dialer {

struct ConnectTimes {
    Duration stagger;   // between the starts of two attempts
    Duration deadline;  // for all of them
};

struct Connected {
    OwnFd socket;  // non-blocking, TCP_NODELAY
    IpAddress address;
};

// Attempts under way; all are given up in the destructor.
class Connect {
  public:
    using Done = std::function<void(Result<Connected>)>;

    // `done` runs once, from the loop, never from within the constructor; it may destroy this
    // object. `addresses` are dialled as they are.
    Connect(EventLoop& loop, std::vector<IpAddress> addresses, uint16_t port, ConnectTimes times,
            Done done);
    ~Connect();
    Connect(const Connect&) = delete;
    Connect& operator=(const Connect&) = delete;

  private:
    struct Attempt {
        OwnFd socket;
        IpAddress address;
    };
    void start_next();
    Status start(const IpAddress& address);
    void on_writable(int socket);
    void failed(const IpAddress& address, int code);
    void finish(Result<Connected> result);

    EventLoop& loop_;
    std::deque<IpAddress> waiting_;
    const uint16_t port_;
    const ConnectTimes times_;
    Done done_;
    std::vector<Attempt> attempts_;
    std::string last_failure_ = "no address to connect to";
    EventLoop::TimerId next_timer_ = 0;
    EventLoop::TimerId deadline_timer_ = 0;
};

}  // namespace anchorhold::dialer
