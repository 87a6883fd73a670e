// The guest's end of the window: every TCP connection of the agent becomes a stream to the host.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <list>
#include <memory>
#include <optional>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "guest-init/egress/client_process.h"
#include "guest-init/egress/host_connector.h"
#include "guest-init/egress/relay.h"
#include "guest-init/egress/synthetic_names.h"
#include "proto/egress.pb.h"

namespace anchorhold::guest_init {

// The listening socket that steering leads to, IPv6 and IPv4, nonblocking. Its port (tcpmux, which
// nobody serves) is taken from the agent's programs; connecting to it directly gets a reset.
[[nodiscard]] Result<OwnFd> listen_for_captured();

// Accepts what was steered to the listener, says in a StreamOpen where it was going, and relays.
class Capture {
  public:
    // Fewer than the VMM's streams (VsockLimits), some of which are for commands and control.
    // Beyond it connections wait in the listener's queue for another one's end.
    static constexpr size_t kMaxConnections = 1000;

    // All references outlive it; `listener` is open for as long.
    Capture(EventLoop& loop, int listener, HostConnector& host, SyntheticNames& names);
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    Status start();
    // Resets every connection, and takes no others before release().
    void hold();
    void release();
    [[nodiscard]] size_t connections() const { return connections_.size(); }

  private:
    struct Connection {
        std::unique_ptr<Relay> relay;
        std::optional<Ipv4Address> held;  // a name that must stay
    };
    using Connections = std::list<Connection>;

    void on_acceptable();
    void take(OwnFd agent);
    // Where the connection was going, and whose it is; nothing where it can go nowhere.
    [[nodiscard]] std::optional<proto::StreamOpen> describe(int agent,
                                                            std::optional<Ipv4Address>& named);
    void end(Connections::iterator connection);
    void update_listening();
    void pause_for_a_moment();

    EventLoop& loop_;
    int listener_;
    HostConnector& host_;
    SyntheticNames& names_;
    ClientProcessFinder processes_;
    RelayBuffers buffers_;
    Connections connections_;
    bool listening_ = false;
    bool held_ = false;
    EventLoop::TimerId pause_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace anchorhold::guest_init
