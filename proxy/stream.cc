// What the first bytes are decides the path; nothing reaches the dialer before its event is
// written.
#include "proxy/stream.h"

#include <algorithm>

#include "proto/frame.h"
#include "proxy/exchange.h"
#include "proxy/http1/relay.h"
#include "proxy/splice.h"
#include "proxy/stream_state.h"
#include "proxy/upstream.h"

namespace anchorhold::proxy {
namespace {

// For the guest's end after ours: a stream that ends both ways at once looks like a reset to it.
constexpr std::chrono::seconds kParting(5);
constexpr uint8_t kTlsHandshake = 22;

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

}  // namespace

using policy::Reason;

asio::awaitable<void> part(Duplex& guest, Deadline& deadline) {
    guest.finish_writing();
    deadline.arm(guest, kParting);
    std::string unread(kFirstBytes, '\0');
    for (;;) {
        const auto count = co_await read_some(guest, std::as_writable_bytes(std::span(unread)));
        if (!count || *count == 0) {
            co_return;
        }
    }
}

asio::awaitable<Status> Stream::read_claim() {
    std::string bytes(kFirstBytes, '\0');
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
    decision.set_protocol(kNames[std::min(static_cast<size_t>(connection_.protocol), size_t{3})]);
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
        first_.resize(kFirstBytes);
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

asio::awaitable<void> serve_stream(Window& window, OwnFd socket) {
    ++window.open_streams;
    {
        Stream stream(window, std::move(socket));
        co_await stream.run();
    }
    --window.open_streams;
}

}  // namespace anchorhold::proxy
