// One request of a proxy, from its checked question to its answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "dialer/address_check.h"
#include "dialer/connect.h"
#include "dialer/destinations.h"
#include "dialer/http_connect.h"
#include "dialer/resolver.h"
#include "dialer/routes.h"
#include "proto/dialer.pb.h"

namespace anchorhold::dialer {

struct DialTimes {
    Duration resolve;
    ConnectTimes connect;
    Duration upstream_proxy;  // from its connection to its answer
};

// What all dials share; outlives them.
struct DialContext {
    EventLoop& loop;
    Resolver& resolver;
    AddressCheck& check;
    const Routes& routes;
    DialTimes times;
};

// Where a dial goes. Exactly one of name and address is set; the name is plain (destinations.h).
struct DialTarget {
    std::string name;
    std::optional<IpAddress> address;
    uint16_t port = 0;
};

// Reads the question; nullopt when its fields are not as dialer.proto says. A name that is not
// plain is kept empty and matches nothing.
[[nodiscard]] std::optional<DialTarget> read_target(const proto::Dial& dial);

struct DialResult {
    proto::DialAnswer::Outcome outcome = proto::DialAnswer::UNREACHABLE;
    std::string detail;
    std::optional<Connected> connected;
};

// Under way until `done` ran; given up in the destructor.
class Dial {
  public:
    using Done = std::function<void(DialResult)>;

    // `done` runs once, from the loop, never from within the constructor; it may destroy this
    // object.
    Dial(DialContext& context, uint64_t client, const Destinations& destinations, DialTarget target,
         Done done);
    ~Dial();
    Dial(const Dial&) = delete;
    Dial& operator=(const Dial&) = delete;

  private:
    using Outcome = proto::DialAnswer::Outcome;
    void begin(const Destinations& destinations);
    void resolve(const std::string& name, std::function<void(std::vector<IpAddress>)> then);
    void connect_checked(std::vector<IpAddress> addresses, uint16_t port);
    void through_proxy(const UpstreamRoute& route);
    void tunnel(const UpstreamRoute& route, Connected connected);
    void finish_later(Outcome outcome, std::string detail);
    void finish(DialResult result);

    DialContext& context_;
    const uint64_t client_;
    const DialTarget target_;
    Done done_;
    std::vector<Cidr> named_;  // private ranges of what matched
    Resolver::Ticket ticket_ = 0;
    EventLoop::TimerId timer_ = 0;
    std::unique_ptr<Connect> connect_;
    std::unique_ptr<HttpConnect> tunnel_;
};

}  // namespace anchorhold::dialer
