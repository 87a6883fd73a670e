// The first TLS record(s) of a connection: what the guest wants to talk to, before OpenSSL sees a
// byte (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301 §3.1).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace anchorhold::proxy {

struct ClientHello {
    std::string server_name;        // as sent, not yet checked; empty: no SNI
    std::vector<std::string> alpn;  // in the client's order
    bool early_data = false;        // offers 0-RTT data (RFC 8446 §4.2.10)
};

// A handshake message longer than this is refused.
constexpr size_t kMaxClientHello = size_t{64} << 10;

// Reads a ClientHello out of whole or partial records. nullopt: more bytes are needed. An error:
// not a ClientHello, one that is malformed, has two SNI or ALPN extensions, more than one server
// name, or is too long.
Result<std::optional<ClientHello>> parse_client_hello(std::span<const std::byte> bytes);

}  // namespace anchorhold::proxy
