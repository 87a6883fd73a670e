// Which addresses nobody reaches unless a policy names them: everything that is not a public
// unicast address of somebody else.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "dialer/ip_address.h"

namespace anchorhold::dialer {

// What it takes to reach an address.
enum class Reach {
    open,     // public
    named,    // a private range of the destination contains it
    exactly,  // a private range names this one address: services that hand out credentials
    never,    // cannot be a TCP peer, or means "this host" by accident
};

struct Standing {
    Reach reach = Reach::open;
    std::string_view what;  // "loopback"; a literal
};

// By the IANA special-purpose address registries (RFC 6890) and the clouds' metadata services; an
// IPv4 address inside a NAT64 (RFC 6052) or ISATAP address counts as itself. Pure.
[[nodiscard]] Standing standing_of(const IpAddress& address);

// The host's own addresses, read again when they are a second old.
class HostAddresses {
  public:
    using Read = std::function<Result<std::vector<IpAddress>>()>;

    explicit HostAddresses(const Clock& clock, Read read);

    // An error when they cannot be read: nothing is dialled then.
    [[nodiscard]] Result<bool> contains(const IpAddress& address);

  private:
    const Clock& clock_;
    Read read_;
    std::optional<TimePoint> read_at_;
    std::vector<IpAddress> addresses_;
};

// getifaddrs(3), every interface, up or down.
[[nodiscard]] Result<std::vector<IpAddress>> read_host_addresses();

class AddressCheck {
  public:
    explicit AddressCheck(HostAddresses own) : own_(std::move(own)) {}

    // Why `address` must not be dialled, for a person: "10.0.0.1 is a private address". nullopt: it
    // may be. `named` are the private ranges of the destinations that match.
    [[nodiscard]] std::optional<std::string> refusal(const IpAddress& address,
                                                     std::span<const Cidr> named);

  private:
    HostAddresses own_;
};

}  // namespace anchorhold::dialer
