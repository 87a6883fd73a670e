// Streams that begin with a ClientHello.
#include <algorithm>

#include "policy/host_name.h"
#include "proxy/http1/relay.h"
#include "proxy/http2/relay.h"
#include "proxy/http2_gates.h"
#include "proxy/stream_state.h"
#include "proxy/tls/tls_stream.h"
#include "proxy/upstream.h"

namespace anchorhold::proxy {

using policy::Reason;

asio::awaitable<Result<ClientHello>> Stream::read_hello() {
    for (;;) {
        auto hello = parse_client_hello(std::as_bytes(std::span(first_)));
        if (!hello) {
            co_return tl::unexpected(hello.error());
        }
        if (*hello) {
            co_return std::move(**hello);
        }
        const size_t before = first_.size();
        first_.resize(before + kFirstBytes);
        const auto count =
            co_await read_some(*plain_, std::as_writable_bytes(std::span(first_)).subspan(before));
        first_.resize(before + count.value_or(0));
        if (!count || *count == 0) {
            co_return fail("the guest ended inside its ClientHello");
        }
    }
}

// The name that both the claim and TLS speak of; what it returns is a refusal.
std::optional<std::string> Stream::take_server_name(const ClientHello& hello) {
    if (hello.early_data) {
        return refuse(Reason::early_data, "early data could be replayed");
    }
    if (hello.server_name.empty()) {
        if (!connection_.host.empty()) {
            return refuse(Reason::no_server_name, "TLS to a name without SNI");
        }
        return std::nullopt;
    }
    auto name = policy::strict_host_name(hello.server_name);
    if (!name) {
        return refuse(Reason::bad_name, name.error().message);
    }
    if (connection_.host.empty()) {
        connection_.host = std::move(*name);
        connection_.address.clear();
    } else if (*name != connection_.host) {
        return refuse(Reason::host_mismatch, "the SNI is not the name that was connected to");
    }
    return std::nullopt;
}

asio::awaitable<std::string> Stream::serve_tls(Deadline& deadline) {
    const auto hello = co_await read_hello();
    if (!hello) {
        co_return refuse(Reason::malformed, hello.error().message);
    }
    if (const auto refused = take_server_name(*hello)) {
        co_return *refused;
    }
    deadline.disarm();
    const auto known = window_.parts.evaluator.protocol_of(connection_.endpoint());
    if (known == proto::TLS || known == proto::TCP) {
        co_return co_await serve_raw(*known);
    }
    co_return co_await serve_https(*hello, deadline);
}

asio::awaitable<std::string> Stream::serve_https(const ClientHello& hello, Deadline& deadline) {
    connection_.protocol = proto::HTTPS;
    const auto offers = [&](const char* protocol) {
        return std::ranges::find(hello.alpn, protocol) != hello.alpn.end();
    };
    std::vector<std::string> offered;
    for (const std::string& protocol : hello.alpn) {
        if (protocol == "h2" || protocol == "http/1.1") {
            offered.push_back(protocol);
        }
    }
    if (hello.alpn.empty()) {
        offered.emplace_back("http/1.1");
    }
    Connected upstream{nullptr, {}, Reason::none, {}};
    const bool named = window_.parts.evaluator.protocol_of(connection_.endpoint()) == proto::HTTPS;
    if (named && !offered.empty()) {
        upstream = co_await connect_upstream(window_, connection_, offered);
    }
    const bool only_h2 = offers("h2") && !offers("http/1.1");
    const bool h2 = only_h2 || upstream.alpn == "h2";
    if (h2 && upstream.stream != nullptr && upstream.alpn != "h2") {
        // Nothing is translated from one version to another.
        upstream.stream.reset();
        upstream.reason = Reason::unreachable;
        upstream.detail = "the upstream does not speak HTTP/2, and the guest speaks nothing else";
    }
    const std::string alpn = h2 ? "h2" : offers("http/1.1") ? "http/1.1" : "";
    auto session = window_.parts.guest_tls.session(connection_.name(), alpn);
    if (!session) {
        co_return refuse(Reason::unavailable, session.error().message);
    }
    plain_->unread(std::exchange(first_, {}));
    auto guest = TlsStream::create(std::move(plain_), std::move(*session));
    if (!guest) {
        co_return guest.error().message;
    }
    deadline.arm(**guest, kPatience);
    const Status shaken = co_await (*guest)->handshake();
    deadline.disarm();
    if (!shaken) {
        deny(Reason::malformed, "TLS with the guest: " + shaken.error().message);
        co_return shaken.error().message;
    }
    std::string error;
    if (h2 && upstream.stream != nullptr) {
        ExchangeGates gates(window_, connection_);
        const Status relayed = co_await http2::relay_http2(**guest, *upstream.stream, gates);
        error = relayed ? "" : relayed.error().message;
    } else if (h2) {
        ExchangeGates gates(window_, connection_);
        const Reason reason =
            upstream.reason == Reason::none ? Reason::unavailable : upstream.reason;
        std::string detail = upstream.detail;
        const Status answered =
            co_await http2::answer_http2(**guest, gates, reason, std::move(detail));
        error = answered ? "" : answered.error().message;
    } else {
        error = co_await http1::relay_http1(window_, connection_, **guest, std::move(upstream));
    }
    co_await part(**guest, deadline);
    co_return error;
}

}  // namespace anchorhold::proxy
