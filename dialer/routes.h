// What the supervisor's settings say about ways: which names go through an upstream proxy, which
// are not resolved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dialer/destinations.h"
#include "dialer/ip_address.h"
#include "proto/dialer.pb.h"

namespace anchorhold::dialer {

struct UpstreamRoute {
    std::vector<NamePattern> hosts;
    std::string host;  // of the proxy: a name or an address; empty: connect directly
    uint16_t port = 0;
    std::string authorization;
};

struct Override {
    std::string name;
    IpAddress address;
    uint16_t port = 0;  // 0: the one asked for
};

class Routes {
  public:
    // Adds to what is known; refused whole when something is malformed.
    Status add(const proto::DialerSettings& settings);

    // The first that matches; null: connect directly. Addresses go through a proxy that serves "*".
    [[nodiscard]] const UpstreamRoute* proxy_for(std::string_view name) const;
    [[nodiscard]] const Override* override_for(std::string_view name) const;

  private:
    std::vector<UpstreamRoute> proxies_;
    std::vector<Override> overrides_;
};

}  // namespace anchorhold::dialer
