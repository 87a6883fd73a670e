// The order of the checks is the order of design: form, name, policy, a person, limits,
// credentials, record.
#include "proxy/exchange.h"

#include <openssl/sha.h>

#include <algorithm>
#include <charconv>

#include "proxy/denial.h"
#include "proxy/exchange_state.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

uint64_t nanoseconds_since(TimePoint begun) {
    return static_cast<uint64_t>((steady_clock().now() - begun).count());
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

}  // namespace

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
