// What all streams of one sandbox's proxy share: its policy, credentials, keys and links.
#pragma once

#include <boost/asio/io_context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/evaluator.h"
#include "policy/limits.h"
#include "proxy/credentials/credentials.h"
#include "proxy/dialer_link.h"
#include "proxy/duplex.h"
#include "proxy/supervisor_link.h"
#include "proxy/tls/guest_tls.h"
#include "proxy/tls/upstream_tls.h"

namespace anchorhold::proxy {

// Belongs to the thread of its io_context.
class Window {
  public:
    struct Parts {
        std::string sandbox;
        policy::Evaluator evaluator;
        Credentials credentials;
        GuestTls guest_tls;
        UpstreamTls upstream_tls;
        uint64_t next_stream = 1;
        uint64_t next_request = 1;
    };
    Window(asio::io_context& io, Parts made, SupervisorLink& link_to_supervisor,
           DialerLink& link_to_dialer)
        : context(io),
          supervisor(link_to_supervisor),
          dialer(link_to_dialer),
          parts(std::move(made)),
          limits(parts.evaluator.policy()) {}

    asio::io_context& context;
    SupervisorLink& supervisor;
    DialerLink& dialer;
    Parts parts;
    policy::Limits limits;
    size_t open_streams = 0;
    // For what is read and passed on or copied before anybody waits: a stream that is idle then
    // holds no buffer of its own.
    [[nodiscard]] std::span<std::byte> scratch() { return scratch_; }
    // The same for what scratch() holds once it is encrypted.
    [[nodiscard]] std::span<std::byte> record_scratch() { return record_scratch_; }

    uint64_t take_request_number() { return parts.next_request++; }

    // An event of a stream, with the time set.
    [[nodiscard]] proto::AuditEvent event(uint64_t stream, uint64_t request = 0) const;

  private:
    std::array<std::byte, size_t{64} << 10> scratch_;
    std::array<std::byte, (size_t{64} << 10) + kBulkOverhead> record_scratch_;
};

}  // namespace anchorhold::proxy
