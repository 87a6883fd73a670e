// One stream from the guest: where it says it goes and what became of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/evaluator.h"
#include "proto/egress.pb.h"

namespace anchorhold::proxy {

struct Connection {
    uint64_t stream = 0;      // its number within the sandbox
    proto::StreamOpen claim;  // checked for form only: every word is the guest's

    std::string host;  // strict name, from the claim or the SNI; empty: an address
    std::vector<unsigned char> address;  // 4 or 16 bytes, with an empty host
    uint16_t port = 0;
    proto::Protocol protocol = proto::HTTPS;

    std::string upstream_address;   // once connected
    uint64_t bytes_from_guest = 0;  // bodies, messages and spliced bytes
    uint64_t bytes_to_guest = 0;

    [[nodiscard]] policy::Endpoint endpoint() const {
        return {.host = host, .address = address, .port = port};
    }
    // The host, or the address's text; empty before a claim was taken.
    [[nodiscard]] std::string name() const;
};

// Takes the guest's StreamOpen apart: a strict name or 4 or 16 bytes, a port from 1 to 65535,
// bounded texts.
Result<Connection> connection_of(uint64_t stream, proto::StreamOpen claim);

}  // namespace anchorhold::proxy
