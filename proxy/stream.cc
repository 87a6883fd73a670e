// What the first bytes are decides the path; nothing reaches the dialer before its event is
// written.
#include "proxy/stream.h"

#include <algorithm>

#include "base/clock.h"
#include "policy/host_name.h"
#include "proto/frame.h"
#include "proxy/client_hello.h"
#include "proxy/deadline.h"
#include "proxy/exchange.h"
#include "proxy/http1/relay.h"
#include "proxy/http2/relay.h"
#include "proxy/http2_gates.h"
#include "proxy/plain_stream.h"
#include "proxy/splice.h"
#include "proxy/tls/tls_stream.h"
#include "proxy/upstream.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

// For the claim and the first bytes: long enough for a client that connects before it needs to.
constexpr std::chrono::seconds kPatience(60);
// For the guest's end after ours: a stream that ends both ways at once looks like a reset to it.
constexpr std::chrono::seconds kParting(5);
constexpr size_t kFirstRead = 4096;
constexpr uint8_t kTlsHandshake = 22;

uint64_t nanoseconds_since(TimePoint begun) {
    return static_cast<uint64_t>((steady_clock().now() - begun).count());
}

// One stream in the limits, under the name it was opened with: the SNI may give it another later.
class OpenStream {
  public:
    OpenStream(policy::Limits& limits, const Connection& connection)
        : limits_(limits),
          host_(connection.host),
          address_(connection.address),
          port_(connection.port),
          limit_(limits.open_stream(endpoint())) {}
    ~OpenStream() {
        if (limit_ == nullptr) {
            limits_.close_stream(endpoint());
        }
    }
    OpenStream(const OpenStream&) = delete;
    OpenStream& operator=(const OpenStream&) = delete;

    // That forbids it, or null.
    [[nodiscard]] const proto::Limit* limit() const { return limit_; }

  private:
    [[nodiscard]] policy::Endpoint endpoint() const {
        return {.host = host_, .address = address_, .port = port_};
    }

    policy::Limits& limits_;
    std::string host_;
    std::vector<unsigned char> address_;
    uint16_t port_;
    const proto::Limit* limit_;
};

// Ends our direction and waits for the guest to end its own.
asio::awaitable<void> part(Duplex& guest, Deadline& deadline) {
    guest.finish_writing();
    deadline.arm(guest, kParting);
    std::string unread(kFirstRead, '\0');
    for (;;) {
        const auto count = co_await read_some(guest, std::as_writable_bytes(std::span(unread)));
        if (!count || *count == 0) {
            co_return;
        }
    }
}

class Stream {
  public:
    Stream(Window& window, OwnFd socket)
        : window_(window),
          plain_(std::make_unique<PlainStream>(window.context, std::move(socket))),
          number_(window.parts.next_stream++) {}

    asio::awaitable<void> run() {
        const TimePoint begun = steady_clock().now();
        std::string error;
        Deadline deadline(window_.context);
        deadline.arm(*plain_, kPatience);
        const Status claimed = co_await read_claim();
        if (claimed) {
            error = co_await open(deadline);
        } else {
            deny(Reason::malformed, claimed.error().message);
        }
        deadline.disarm();
        proto::AuditEvent event = window_.event(number_);
        proto::ConnectionClosed& closed = *event.mutable_connection_closed();
        closed.set_bytes_from_guest(connection_.bytes_from_guest);
        closed.set_bytes_to_guest(connection_.bytes_to_guest);
        closed.set_duration_ns(nanoseconds_since(begun));
        closed.set_error(error.substr(0, 512));
        window_.supervisor.note(std::move(event));
    }

  private:
    asio::awaitable<Status> read_claim();
    asio::awaitable<std::string> open(Deadline& deadline);
    asio::awaitable<std::string> serve_raw(proto::Protocol protocol);
    asio::awaitable<std::string> serve_plain_http(Deadline& deadline);
    asio::awaitable<std::string> serve_tls(Deadline& deadline);
    asio::awaitable<std::string> serve_https(const ClientHello& hello, Deadline& deadline);
    asio::awaitable<Result<ClientHello>> read_hello();
    std::optional<std::string> take_server_name(const ClientHello& hello);
    asio::awaitable<bool> peek();
    uint64_t record_opened();
    void deny(Reason reason, std::string_view detail, const proto::Rule* rule = nullptr);
    std::string refuse(Reason reason, std::string_view detail, const proto::Rule* rule = nullptr) {
        deny(reason, detail, rule);
        plain_->reset();
        return std::string(policy::reason_word(reason));
    }
    uint64_t record_decision(proto::RequestDecided decision) {
        proto::AuditEvent event = window_.event(number_, window_.take_request_number());
        *event.mutable_decision() = std::move(decision);
        return window_.supervisor.record(std::move(event));
    }
    [[nodiscard]] proto::RequestDecided decision_event(const proto::Rule* rule) const;

    Window& window_;
    std::unique_ptr<PlainStream> plain_;
    uint64_t number_;
    Connection connection_;
    std::string first_;  // bytes of the connection itself, read so far
};

asio::awaitable<Status> Stream::read_claim() {
    std::string bytes(kFirstRead, '\0');
    proto::FrameReader frames(proto::kMaxControlFrame);
    for (;;) {
        const auto count = co_await read_some(*plain_, std::as_writable_bytes(std::span(bytes)));
        if (!count || *count == 0) {
            co_return fail("no StreamOpen came");
        }
        frames.feed(std::as_bytes(std::span(bytes).first(*count)));
        const auto frame = frames.next();
        if (!frame) {
            co_return fail(frame.error().message);
        }
        if (!*frame) {
            continue;
        }
        auto claim = proto::parse<proto::StreamOpen>(**frame, "StreamOpen");
        if (!claim) {
            co_return fail(claim.error().message);
        }
        const size_t behind = frames.buffered();
        first_ = bytes.substr(*count - behind, behind);
        auto connection = connection_of(number_, std::move(*claim));
        if (!connection) {
            co_return fail(connection.error().message);
        }
        connection_ = std::move(*connection);
        co_return Status();
    }
}

uint64_t Stream::record_opened() {
    proto::AuditEvent event = window_.event(number_);
    proto::ConnectionOpened& opened = *event.mutable_connection();
    if (connection_.claim.has_host()) {
        opened.set_claimed_host(connection_.host);
    } else {
        opened.set_claimed_address(connection_.name());
    }
    opened.set_port(connection_.port);
    opened.set_claimed_exe(connection_.claim.exe());
    opened.set_claimed_pid(connection_.claim.pid());
    opened.set_claimed_uid(connection_.claim.uid());
    return window_.supervisor.record(std::move(event));
}

proto::RequestDecided Stream::decision_event(const proto::Rule* rule) const {
    constexpr const char* kNames[] = {"https", "http", "tls", "tcp"};
    proto::RequestDecided decision;
    decision.set_protocol(kNames[std::min<size_t>(connection_.protocol, 3)]);
    decision.set_host(connection_.name());
    decision.set_port(connection_.port);
    if (rule != nullptr) {
        decision.set_rule(rule->id());
        decision.set_origin(window_.parts.evaluator.origin_text(rule->origin()));
    }
    return decision;
}

void Stream::deny(Reason reason, std::string_view detail, const proto::Rule* rule) {
    proto::RequestDecided decision = decision_event(rule);
    decision.set_verdict(proto::RequestDecided::DENY);
    decision.set_reason(std::string(policy::reason_word(reason)));
    decision.set_detail(std::string(detail.substr(0, 512)));
    record_decision(std::move(decision));
}

asio::awaitable<std::string> Stream::open(Deadline& deadline) {
    const uint64_t opened = record_opened();
    const bool written = co_await window_.supervisor.written(opened);
    if (!written) {
        plain_->reset();
        co_return "the audit trail cannot be written";
    }
    const OpenStream counted(window_.limits, connection_);
    if (counted.limit() != nullptr) {
        co_return refuse(Reason::limit,
                         "beyond the limit at " +
                             window_.parts.evaluator.origin_text(counted.limit()->origin()));
    }
    const auto known = window_.parts.evaluator.protocol_of(connection_.endpoint());
    if (known == proto::TCP) {
        deadline.disarm();
        co_return co_await serve_raw(proto::TCP);
    }
    const bool said_something = co_await peek();
    if (!said_something) {
        co_return "the guest sent nothing";
    }
    if (static_cast<uint8_t>(first_.front()) == kTlsHandshake) {
        co_return co_await serve_tls(deadline);
    }
    if (first_.front() >= 'A' && first_.front() <= 'Z' && known != proto::TLS) {
        co_return co_await serve_plain_http(deadline);
    }
    co_return refuse(known == proto::TLS ? Reason::malformed : Reason::no_rule,
                     "neither TLS nor HTTP, and no policy names the host and port as tcp");
}

asio::awaitable<bool> Stream::peek() {
    if (first_.empty()) {
        first_.resize(kFirstRead);
        const auto count = co_await read_some(*plain_, std::as_writable_bytes(std::span(first_)));
        first_.resize(count.value_or(0));
    }
    co_return !first_.empty();
}

asio::awaitable<std::string> Stream::serve_raw(proto::Protocol protocol) {
    connection_.protocol = protocol;
    const policy::Decision decision =
        window_.parts.evaluator.evaluate_connection(connection_.endpoint(), protocol);
    auto verdict = proto::RequestDecided::ALLOW;
    if (decision.verdict == policy::Verdict::deny) {
        co_return refuse(decision.reason, decision.detail, decision.rule);
    }
    if (decision.verdict == policy::Verdict::ask) {
        const proto::RequestDecided asked = decision_event(decision.rule);
        const std::string no_body;
        const auto answer = co_await window_.supervisor.ask(asked, no_body);
        if (!answer || !*answer) {
            co_return refuse(answer ? Reason::asked_denied : Reason::asked_timeout, "not approved",
                             decision.rule);
        }
        verdict = proto::RequestDecided::ASKED_ALLOW;
    }
    proto::RequestDecided event = decision_event(decision.rule);
    event.set_verdict(verdict);
    const uint64_t decided = record_decision(std::move(event));
    const bool written = co_await window_.supervisor.written(decided);
    if (!written) {
        plain_->reset();
        co_return "the audit trail cannot be written";
    }
    std::vector<std::string> no_alpn;
    const Connected upstream = co_await connect_upstream(window_, connection_, std::move(no_alpn));
    if (upstream.stream == nullptr) {
        plain_->reset();
        co_return upstream.detail;
    }
    plain_->unread(std::exchange(first_, {}));
    co_return co_await splice(window_, *plain_, *upstream.stream, connection_);
}

asio::awaitable<std::string> Stream::serve_plain_http(Deadline& deadline) {
    connection_.protocol = proto::HTTP;
    deadline.disarm();
    plain_->unread(std::exchange(first_, {}));
    // Named: g++ 12 destroys an aggregate made inside a co_await twice.
    Connected nothing_yet{nullptr, {}, Reason::none, {}};
    std::string error =
        co_await http1::relay_http1(window_, connection_, *plain_, std::move(nothing_yet));
    co_await part(*plain_, deadline);
    co_return error;
}

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
        first_.resize(before + kFirstRead);
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

}  // namespace

asio::awaitable<void> serve_stream(Window& window, OwnFd socket) {
    ++window.open_streams;
    {
        Stream stream(window, std::move(socket));
        co_await stream.run();
    }
    --window.open_streams;
}

}  // namespace anchorhold::proxy
