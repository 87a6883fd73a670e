// The proxy's side of its dialer channel: asks for connections, gets descriptors.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "policy/decision.h"
#include "proto/dialer.pb.h"
#include "proxy/packet_channel.h"
#include "proxy/wake.h"

namespace anchorhold::proxy {

struct Dialed {
    OwnFd socket;                                         // connected TCP; invalid: not
    policy::Reason reason = policy::Reason::unavailable;  // none: connected
    std::string detail;
    std::string address;  // text of the address connected to
};

// When the dialer is gone every dial fails with Reason::unavailable until replace().
class DialerLink {
  public:
    DialerLink(asio::io_context& context, OwnFd channel);

    // Exactly one of `host` and `address` is not empty.
    asio::awaitable<Dialed> dial(const std::string& host, std::span<const unsigned char> address,
                                 uint16_t port);

    // A new dialer stands in for a lost one.
    void replace(OwnFd channel);

  private:
    asio::awaitable<void> receive(std::shared_ptr<PacketChannel> channel);
    void lose();

    asio::io_context& context_;
    std::shared_ptr<PacketChannel> channel_;  // null: lost
    uint64_t next_ = 1;
    std::unordered_map<uint64_t, std::shared_ptr<Wake<Dialed>>> open_;
};

}  // namespace anchorhold::proxy
