// The order of the checks is the order of design: form, name, policy, a person, limits,
// credentials, record.
#include "proxy/exchange.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "policy/host_name.h"
#include "policy/target.h"
#include "proxy/connection.h"
#include "proxy/denial.h"
#include "proxy/message_filters.h"
#include "proxy/window.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

constexpr size_t kMaxLoggedTarget = 2048;

uint64_t nanoseconds_since(TimePoint begun) {
    return static_cast<uint64_t>((steady_clock().now() - begun).count());
}

// Fields by which a server may take another method than the one that was decided.
bool overrides_method(const Field& field) {
    return field.name == "x-http-method-override" || field.name == "x-http-method" ||
           field.name == "x-method-override";
}

uint16_t default_port(proto::Protocol protocol) {
    return protocol == proto::HTTP ? 80 : 443;
}

std::string_view scheme(proto::Protocol protocol) {
    return protocol == proto::HTTP ? "http" : "https";
}

std::optional<uint64_t> declared_length(const RequestHead& head) {
    const Field* field = find_field(head.fields, "content-length");
    uint64_t length = 0;
    if (field == nullptr ||
        std::from_chars(field->value.data(), field->value.data() + field->value.size(), length)
                .ec != std::errc()) {
        return std::nullopt;
    }
    return length;
}

// RFC 9110 §7.2, in the one spelling that was compared.
std::string authority_text(const Connection& connection) {
    const std::string name =
        connection.address.size() == 16 ? "[" + connection.name() + "]" : connection.name();
    return connection.port == default_port(connection.protocol)
               ? name
               : name + ":" + std::to_string(connection.port);
}

}  // namespace

struct Exchange::State {
    Window& window;
    Connection& connection;
    RequestHead head;
    uint64_t number;
    TimePoint begun = steady_clock().now();
    std::string logged_target;  // as the guest wrote it
    policy::Target target;
    Denial early;  // found in the head alone
    bool refused_early = false;
    policy::Decision decision;
    std::optional<CredentialUse> credentials;
    bool admitted = false;
    bool finished = false;
    bool upgraded = false;
    unsigned status = 0;
    uint64_t bytes_out = 0;
    uint64_t bytes_in = 0;
    std::vector<std::string> minted;
    std::optional<ScanningFilter> to_upstream;
    std::optional<ScrubbingFilter> to_guest;

    State(Window& w, Connection& c, RequestHead h)
        : window(w),
          connection(c),
          head(std::move(h)),
          number(w.take_request_number()),
          logged_target(head.target.substr(0, kMaxLoggedTarget)) {}

    // What policy reads: a websocket is opened by GET, whatever HTTP/2 calls it (RFC 8441 §4).
    std::string_view method() const {
        return head.protocol == "websocket" ? std::string_view("GET") : head.method;
    }

    policy::Request question(std::string_view body) const {
        const Field* type = find_field(head.fields, "content-type");
        const Field* coding = find_field(head.fields, "content-encoding");
        return {.endpoint = connection.endpoint(),
                .protocol = connection.protocol,
                .method = method(),
                .target = &target,
                .content_type = type != nullptr ? std::string_view(type->value) : "",
                .body = body,
                .content_encoding = coding != nullptr ? std::string_view(coding->value) : ""};
    }

    bool bound() const {
        return !window.parts.evaluator.bindings_of(connection.endpoint()).empty();
    }

    Denial denial(Reason reason, std::string_view detail) const {
        const std::string url = std::string(scheme(connection.protocol)) + "://" +
                                connection.name() +
                                (connection.port == default_port(connection.protocol)
                                     ? ""
                                     : ":" + std::to_string(connection.port)) +
                                logged_target;
        const proto::Rule* rule = decision.rule;
        return make_denial(
            {.reason = reason,
             .rule = rule != nullptr ? std::string_view(rule->id()) : "",
             .origin = rule != nullptr ? window.parts.evaluator.origin_text(rule->origin()) : "",
             .detail = detail,
             .method = head.method,
             .url = url,
             .sandbox = window.parts.sandbox},
            head);
    }

    void refuse_early(Reason reason, std::string_view detail) {
        refused_early = true;
        early = denial(reason, detail);
        decision.reason = reason;
        decision.detail = detail;
    }

    // Counts further bytes; the text of an error when a limit says that they may not pass.
    std::optional<std::string> count_out(size_t bytes) {
        bytes_out += bytes;
        connection.bytes_from_guest += bytes;
        return over_limit(policy::Limits::Direction::to_upstream, bytes);
    }
    std::optional<std::string> count_in(size_t bytes) {
        bytes_in += bytes;
        connection.bytes_to_guest += bytes;
        return over_limit(policy::Limits::Direction::to_guest, bytes);
    }
    std::optional<std::string> over_limit(policy::Limits::Direction direction, size_t bytes) {
        const proto::Limit* limit =
            window.limits.add_bytes(connection.endpoint(), direction, bytes, steady_clock().now());
        return limit != nullptr ? std::optional(limit_text(*limit)) : std::nullopt;
    }
    std::string limit_text(const proto::Limit& limit) const {
        return "beyond the limit at " + window.parts.evaluator.origin_text(limit.origin());
    }

    void check_head();
    uint64_t record(proto::RequestDecided::Verdict verdict, Reason reason, std::string_view detail);
    std::optional<Denial> deny(
        Reason reason, std::string_view detail,
        proto::RequestDecided::Verdict verdict = proto::RequestDecided::DENY);
    // A second word on a request that was let go before: its outcome follows.
    Denial deny_admitted(Reason reason, std::string_view detail) {
        record(proto::RequestDecided::DENY, reason, detail);
        return denial(reason, detail);
    }
    proto::RequestDecided decided(proto::RequestDecided::Verdict verdict, Reason reason,
                                  std::string_view detail) const;
};

void Exchange::State::check_head() {
    if (head.method == "CONNECT" && head.protocol.empty()) {
        return refuse_early(Reason::connect_refused, "CONNECT has no meaning inside the window");
    }
    if (!head.protocol.empty() && head.protocol != "websocket") {
        return refuse_early(Reason::upgrade_refused, "only an upgrade to websocket is passed");
    }
    if (std::ranges::any_of(head.fields, overrides_method)) {
        return refuse_early(Reason::method_override, "a header asks for another method");
    }
    const auto authority = policy::parse_authority(head.authority);
    if (!authority) {
        return refuse_early(Reason::bad_name, authority.error().message);
    }
    const uint16_t port =
        authority->port != 0 ? authority->port : default_port(connection.protocol);
    if (authority->host != connection.name() || port != connection.port) {
        return refuse_early(Reason::host_mismatch,
                            "the Host is not the name that was connected to");
    }
    head.authority = authority_text(connection);
    auto parsed = policy::parse_target(head.target);
    if (!parsed) {
        return refuse_early(Reason::bad_target, parsed.error().message);
    }
    target = std::move(*parsed);
    head.target = target.forwarded;
}

proto::RequestDecided Exchange::State::decided(proto::RequestDecided::Verdict verdict,
                                               Reason reason, std::string_view detail) const {
    proto::RequestDecided event;
    event.set_verdict(verdict);
    event.set_protocol(head.protocol == "websocket" ? "websocket"
                                                    : std::string(scheme(connection.protocol)));
    event.set_method(std::string(method().substr(0, 64)));
    event.set_host(connection.name());
    event.set_port(connection.port);
    event.set_target(logged_target);
    if (decision.rule != nullptr) {
        event.set_rule(decision.rule->id());
        event.set_origin(window.parts.evaluator.origin_text(decision.rule->origin()));
    }
    if (reason != Reason::none) {
        event.set_reason(std::string(policy::reason_word(reason)));
    }
    event.set_detail(std::string(detail.substr(0, 512)));
    if (credentials && reason == Reason::none) {
        for (const std::string& name : credentials->used()) {
            event.add_credentials(name);
        }
    }
    return event;
}

uint64_t Exchange::State::record(proto::RequestDecided::Verdict verdict, Reason reason,
                                 std::string_view detail) {
    proto::AuditEvent event = window.event(connection.stream, number);
    *event.mutable_decision() = decided(verdict, reason, detail);
    return window.supervisor.record(std::move(event));
}

std::optional<Denial> Exchange::State::deny(Reason reason, std::string_view detail,
                                            proto::RequestDecided::Verdict verdict) {
    record(verdict, reason, detail);
    finished = true;
    return denial(reason, detail);
}

Exchange::Exchange(Window& window, Connection& connection, RequestHead head)
    : state_(std::make_unique<State>(window, connection, std::move(head))) {
    state_->check_head();
    if (!state_->refused_early) {
        const policy::Endpoint endpoint = connection.endpoint();
        state_->credentials.emplace(
            window.parts.credentials,
            Destination{.host = connection.host,
                        .port = connection.port,
                        .protocol = connection.protocol,
                        .bindings = window.parts.evaluator.bindings_of(endpoint)},
            state_->head);
    }
}

Exchange::~Exchange() {
    finish("cut off");
}

size_t Exchange::body_needed() const {
    if (state_->refused_early) {
        return 0;
    }
    return std::max(state_->window.parts.evaluator.body_needed(state_->question({})),
                    state_->credentials->body_needed());
}

asio::awaitable<std::optional<Denial>> Exchange::admit(std::string& body, bool whole) {
    State& s = *state_;
    if (s.refused_early) {
        s.record(proto::RequestDecided::DENY, s.early.reason, s.decision.detail);
        s.finished = true;
        co_return std::move(s.early);
    }
    if (!whole && s.window.parts.evaluator.body_needed(s.question({})) > 0) {
        co_return s.deny(Reason::body_too_large, "a rule looks into the body and it is too long");
    }
    s.decision = s.window.parts.evaluator.evaluate(s.question(body));
    if (s.decision.verdict == policy::Verdict::deny) {
        co_return s.deny(s.decision.reason, s.decision.detail);
    }
    auto verdict = proto::RequestDecided::ALLOW;
    if (s.decision.verdict == policy::Verdict::ask) {
        std::string digest;
        if (!body.empty()) {
            digest.resize(SHA256_DIGEST_LENGTH);
            SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(),
                   reinterpret_cast<unsigned char*>(digest.data()));
        }
        const proto::RequestDecided asked =
            s.decided(proto::RequestDecided::ASKED_ALLOW, Reason::none, {});
        const auto answer = co_await s.window.supervisor.ask(asked, digest);
        if (!answer || !*answer) {
            co_return s.deny(answer ? Reason::asked_denied : Reason::asked_timeout,
                             answer ? "a person said no" : "nobody answered",
                             proto::RequestDecided::ASKED_DENY);
        }
        verdict = proto::RequestDecided::ASKED_ALLOW;
    }
    if (const proto::Limit* limit =
            s.window.limits.admit(s.connection.endpoint(), steady_clock().now())) {
        co_return s.deny(Reason::limit, s.limit_text(*limit));
    }
    if (auto refusal =
            s.credentials->apply(s.head, body, whole ? BodyExtent::whole : BodyExtent::part,
                                 declared_length(s.head), s.decision)) {
        co_return s.deny(refusal->reason, refusal->detail);
    }
    if (s.bound()) {
        // What comes back compressed could not be scrubbed.
        std::erase_if(s.head.fields,
                      [](const Field& field) { return field.name == "accept-encoding"; });
        s.head.fields.push_back({"accept-encoding", "identity"});
    }
    const uint64_t sequence = s.record(verdict, Reason::none, {});
    const bool written = co_await s.window.supervisor.written(sequence);
    if (!written) {
        wipe(s.head);
        s.finished = true;
        co_return s.denial(Reason::unavailable, "the audit trail cannot be written");
    }
    s.admitted = true;
    if (const auto over = s.count_out(body.size())) {
        co_return s.deny(Reason::limit, *over);
    }
    co_return std::nullopt;
}

const RequestHead& Exchange::request() const {
    return state_->head;
}

void Exchange::request_sent() {
    wipe(state_->head);
}

std::optional<uint64_t> Exchange::new_content_length() const {
    return state_->credentials ? state_->credentials->new_content_length() : std::nullopt;
}

std::optional<Denial> Exchange::request_body(std::string& piece) {
    if (const auto over = state_->count_out(piece.size())) {
        return state_->deny_admitted(Reason::limit, *over);
    }
    if (state_->decision.max_request_bytes != 0 &&
        state_->bytes_out > state_->decision.max_request_bytes) {
        return state_->deny_admitted(Reason::body_too_large,
                                     "the body is longer than the rule allows");
    }
    if (auto refusal = state_->credentials->request_body(piece)) {
        return state_->deny_admitted(refusal->reason, refusal->detail);
    }
    return std::nullopt;
}

std::optional<Denial> Exchange::request_end(std::string& rest, Fields& trailers) {
    if (auto refusal = state_->credentials->request_end(rest, trailers)) {
        return state_->deny_admitted(refusal->reason, refusal->detail);
    }
    return std::nullopt;
}

void Exchange::answer(ResponseHead& head) {
    state_->status = head.status;
    // Another way to the same host would go round the window (RFC 7838, RFC 9113 §8.4).
    std::erase_if(head.fields, [](const Field& field) {
        return field.name == "alt-svc" || field.name == "proxy-authenticate";
    });
    state_->credentials->answer(head);
}

size_t Exchange::answer_needed() const {
    return state_->credentials->answer_needed();
}

bool Exchange::answer_may_change() const {
    return state_->credentials->answer_may_change();
}

bool Exchange::answer_passes() const {
    return state_->credentials->answer_passes();
}

std::optional<Denial> Exchange::answer_bytes(size_t count) {
    if (const auto over = state_->count_in(count)) {
        return state_->deny_admitted(Reason::limit, *over);
    }
    if (state_->decision.max_response_bytes != 0 &&
        state_->bytes_in > state_->decision.max_response_bytes) {
        return state_->deny_admitted(Reason::body_too_large,
                                     "the answer is longer than the rule allows");
    }
    return std::nullopt;
}

std::optional<Denial> Exchange::answer_body(std::string& piece) {
    if (auto denied = answer_bytes(piece.size())) {
        return denied;
    }
    if (auto refusal = state_->credentials->answer_body(piece)) {
        return state_->deny_admitted(refusal->reason, refusal->detail);
    }
    return std::nullopt;
}

std::optional<Denial> Exchange::answer_end(std::string& rest, Fields& trailers) {
    auto refusal = state_->credentials->answer_end(rest, trailers);
    for (proto::Minted& minted : state_->credentials->take_minted()) {
        state_->minted.push_back(minted.secret().name());
        state_->window.supervisor.captured(std::move(minted));
    }
    if (refusal) {
        return state_->deny_admitted(refusal->reason, refusal->detail);
    }
    return std::nullopt;
}

void Exchange::finish(std::string_view error) {
    State& s = *state_;
    if (s.finished || !s.admitted) {
        return;
    }
    s.finished = true;
    wipe(s.head);
    proto::AuditEvent event = s.window.event(s.connection.stream, s.number);
    proto::RequestEnded& ended = *event.mutable_outcome();
    ended.set_status(s.status);
    ended.set_bytes_out(s.bytes_out);
    ended.set_bytes_in(s.bytes_in);
    ended.set_duration_ns(nanoseconds_since(s.begun));
    ended.set_upstream_address(s.connection.upstream_address);
    ended.set_error(std::string(error.substr(0, 512)));
    ended.set_scrubbed(s.credentials->scrubbed());
    for (std::string& name : s.minted) {
        ended.add_minted(std::move(name));
    }
    s.window.supervisor.note(std::move(event));
}

Denial Exchange::refuse(Reason reason, std::string_view detail) {
    return state_->admitted ? state_->deny_admitted(reason, detail) : *state_->deny(reason, detail);
}

void Exchange::break_off(Reason reason, std::string_view detail) {
    if (!state_->finished) {
        state_->record(proto::RequestDecided::DENY, reason, detail);
        finish(detail);
    }
}

websocket::Filters Exchange::note_upgraded() {
    State& s = *state_;
    s.to_upstream.emplace(
        s.window.parts.credentials.scan(),
        [&s](size_t bytes) {
            s.bytes_out += bytes;
            s.connection.bytes_from_guest += bytes;
        },
        [&s](Reason reason, std::string_view detail) { return s.deny_admitted(reason, detail); });
    s.to_guest.emplace(
        s.bound() ? std::optional(s.window.parts.credentials.scrubber()) : std::nullopt,
        [&s](size_t bytes) {
            s.bytes_in += bytes;
            s.connection.bytes_to_guest += bytes;
        });
    return {.to_upstream = &*s.to_upstream, .to_guest = &*s.to_guest};
}

Denial refuse_malformed(Window& window, Connection& connection, std::string_view why) {
    proto::AuditEvent event = window.event(connection.stream, window.take_request_number());
    proto::RequestDecided& decision = *event.mutable_decision();
    decision.set_verdict(proto::RequestDecided::DENY);
    decision.set_protocol(std::string(scheme(connection.protocol)));
    decision.set_host(connection.name());
    decision.set_port(connection.port);
    decision.set_reason(std::string(policy::reason_word(Reason::malformed)));
    decision.set_detail(std::string(why.substr(0, 512)));
    window.supervisor.record(std::move(event));
    DenialText text;
    text.reason = Reason::malformed;
    text.detail = why;
    const std::string name = connection.name();
    text.url = name;
    text.sandbox = window.parts.sandbox;
    return make_denial(text, {});
}

Denial Exchange::failed(Reason reason, std::string_view detail) const {
    return state_->deny_admitted(reason, detail);
}

}  // namespace anchorhold::proxy
