// Dialer first, then the handshake under the name that policy decided about.
#include "proxy/upstream.h"

#include "proxy/deadline.h"
#include "proxy/plain_stream.h"
#include "proxy/tls/tls_stream.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

constexpr std::chrono::seconds kHandshakePatience(20);

Connected failed(Reason reason, std::string detail) {
    return {nullptr, {}, reason, std::move(detail)};
}

}  // namespace

asio::awaitable<Connected> connect_upstream(Window& window, Connection& connection,
                                            std::vector<std::string> alpn) {
    Dialed dialed =
        co_await window.dialer.dial(connection.host, connection.address, connection.port);
    if (dialed.reason != Reason::none) {
        co_return failed(dialed.reason, std::move(dialed.detail));
    }
    connection.upstream_address = std::move(dialed.address);
    auto plain = std::make_unique<PlainStream>(window.context, std::move(dialed.socket));
    if (connection.protocol != proto::HTTPS) {
        Connected connected{std::move(plain), {}, Reason::none, {}};
        co_return connected;
    }
    const auto identity = window.parts.credentials.client_identity(
        window.parts.evaluator.bindings_of(connection.endpoint()));
    auto session = window.parts.upstream_tls.session(connection.name(), connection.port, alpn,
                                                     identity ? &*identity : nullptr);
    if (!session) {
        co_return failed(Reason::unavailable, session.error().message);
    }
    auto tls = TlsStream::create(std::move(plain), std::move(*session));
    if (!tls) {
        co_return failed(Reason::unavailable, tls.error().message);
    }
    Deadline deadline(window.context);
    deadline.arm(**tls, kHandshakePatience);
    const Status shaken = co_await (*tls)->handshake();
    deadline.disarm();
    if (!shaken) {
        co_return failed(Reason::upstream_untrusted,
                         "TLS with the upstream: " + shaken.error().message);
    }
    std::string chosen = (*tls)->alpn();
    Connected connected{std::move(*tls), std::move(chosen), Reason::none, {}};
    co_return connected;
}

}  // namespace anchorhold::proxy
