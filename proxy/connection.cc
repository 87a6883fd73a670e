// Everything in a StreamOpen is a claim; only its form is checked here.
#include "proxy/connection.h"

#include "base/address_text.h"
#include "policy/host_name.h"

namespace anchorhold::proxy {

std::string Connection::name() const {
    return host.empty() ? address_text(std::as_bytes(std::span(address))) : host;
}

Result<Connection> connection_of(uint64_t stream, proto::StreamOpen claim) {
    Connection connection;
    connection.stream = stream;
    if (claim.port() == 0 || claim.port() > 65535) {
        return fail("the port is not from 1 to 65535");
    }
    connection.port = static_cast<uint16_t>(claim.port());
    if (claim.has_host()) {
        connection.host = ANCHORHOLD_TRY(policy::strict_host_name(claim.host()));
    } else if (claim.address().size() == 4 || claim.address().size() == 16) {
        connection.address.assign(claim.address().begin(), claim.address().end());
    } else {
        return fail("there is neither a name nor an address");
    }
    if (claim.exe().size() > 255) {
        claim.mutable_exe()->resize(255);
    }
    connection.claim = std::move(claim);
    return connection;
}

}  // namespace anchorhold::proxy
