// Bounds are those of the proxy's own code, with nothing to spare.
#include "supervisor/window/proxy_report.h"

#include <algorithm>
#include <array>
#include <utility>

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMaxName = 255;  // of a host or a program
constexpr size_t kMaxAddress = 64;
constexpr size_t kMaxMethod = 64;
constexpr size_t kMaxTarget = 2048;
constexpr size_t kMaxLine = 512;  // details, errors, origins
constexpr int kMaxNames = 64;     // credentials of one request
constexpr size_t kMaxCaptured = 2560;
constexpr size_t kMaxCapturedName = 640;
constexpr size_t kMaxPlaceholder = 1024;
constexpr size_t kDigest = 32;
constexpr size_t kMaxPublicKey = 128;  // one on P-256 has 91 bytes
// How far a number may be ahead of those seen: what is open at once has no event yet.
constexpr uint64_t kMaxAhead = uint64_t{1} << 20;

bool is_protocol(const std::string& text) {
    constexpr std::array<std::string_view, 5> kProtocols = {"https", "http", "tls", "tcp",
                                                            "websocket"};
    return std::ranges::find(kProtocols, text) != kProtocols.end();
}

bool is_word(const std::string& text) {
    return text.size() <= 32 &&
           std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// `number` is from `first` on and not far ahead of `last`, which it moves; 0 stands for none.
bool follows(uint64_t number, uint64_t first, uint64_t& last) {
    if (number == 0) {
        return true;
    }
    if (number < first || number > last + kMaxAhead) {
        return false;
    }
    last = std::max(last, number);
    return true;
}

}  // namespace

ReportVocabulary::ReportVocabulary(const proto::ResolvedPolicy& policy) {
    for (const proto::Rule& rule : policy.rules()) {
        rules_.insert(rule.id());
    }
    for (const proto::Binding& binding : policy.bindings()) {
        bindings_.insert(binding.id());
        secrets_.insert({binding.secret(), binding.aws_sigv4().access_key_secret(),
                         binding.aws_sigv4().session_token_secret(),
                         binding.client_certificate().certificate_secret()});
    }
}

bool ReportVocabulary::is_captured(std::string_view name) const {
    for (const std::string_view word : {"/minted/", "/href/"}) {
        const size_t at = name.find(word);
        if (at != std::string_view::npos && bindings_.contains(std::string(name.substr(0, at)))) {
            return true;
        }
    }
    return false;
}

bool ReportVocabulary::is_captured(std::string_view name, std::string_view binding) const {
    return is_captured(name) && name.starts_with(binding) &&
           name.substr(binding.size()).starts_with('/');
}

Status ReportCheck::check(const proto::ProxyReport& report) {
    const bool first = !std::exchange(reported_, true);
    if (report.public_key().empty() ? first
                                    : !first || report.public_key().size() > kMaxPublicKey) {
        return fail("not one key, first of all");
    }
    for (const proto::AuditEvent& event : report.events()) {
        ANCHORHOLD_TRY(check_event(event));
    }
    sequence_ += static_cast<uint64_t>(report.events_size());
    if (report.sequence() != (report.events_size() == 0 ? 0 : sequence_)) {
        return fail("a wrong sequence number");
    }
    if (report.has_question()) {
        ANCHORHOLD_TRY(check_decision(report.question().request()));
        const size_t digest = report.question().body_sha256().size();
        if (digest != 0 && digest != kDigest) {
            return fail("a question with half a digest");
        }
    }
    return report.has_minted() ? check_minted(report.minted()) : Status();
}

Status ReportCheck::check_event(const proto::AuditEvent& event) {
    if (!follows(event.stream(), first_stream_, last_stream_) ||
        !follows(event.request(), first_request_, last_request_)) {
        return fail("a wrong stream or request number");
    }
    switch (event.what_case()) {
        case proto::AuditEvent::kConnection:
            return event.connection().claimed_host().size() <= kMaxName &&
                           event.connection().claimed_address().size() <= kMaxAddress &&
                           event.connection().claimed_exe().size() <= kMaxName
                       ? Status()
                       : fail("a connection out of bounds");
        case proto::AuditEvent::kConnectionClosed:
            return event.connection_closed().error().size() <= kMaxLine
                       ? Status()
                       : fail("a connection's end out of bounds");
        case proto::AuditEvent::kDecision:
            return check_decision(event.decision());
        case proto::AuditEvent::kOutcome:
            return check_outcome(event.outcome());
        default:
            return fail("an event that is none of a proxy's");
    }
}

Status ReportCheck::check_decision(const proto::RequestDecided& decision) const {
    if (!proto::RequestDecided::Verdict_IsValid(decision.verdict()) ||
        !is_protocol(decision.protocol()) || !is_word(decision.reason()) ||
        decision.method().size() > kMaxMethod || decision.host().size() > kMaxName ||
        decision.target().size() > kMaxTarget || decision.detail().size() > kMaxLine ||
        decision.origin().size() > kMaxLine || decision.credentials_size() > kMaxNames) {
        return fail("a decision out of bounds");
    }
    if (!decision.rule().empty() && !vocabulary_.has_rule(decision.rule())) {
        return fail("a rule that the policy does not have");
    }
    if (!std::ranges::all_of(decision.credentials(), [this](const std::string& name) {
            return vocabulary_.has_secret(name);
        })) {
        return fail("a secret that the policy does not have");
    }
    return {};
}

Status ReportCheck::check_outcome(const proto::RequestEnded& outcome) const {
    if (outcome.status() > 999 || outcome.upstream_address().size() > kMaxAddress ||
        outcome.error().size() > kMaxLine || outcome.minted_size() > kMaxNames) {
        return fail("an outcome out of bounds");
    }
    return std::ranges::all_of(
               outcome.minted(),
               [this](const std::string& name) { return vocabulary_.is_captured(name); })
               ? Status()
               : fail("a captured credential that is none of a binding's");
}

Status ReportCheck::check_minted(const proto::Minted& minted) const {
    const proto::Secret& secret = minted.secret();
    return vocabulary_.is_captured(secret.name(), minted.binding()) &&
                   secret.name().size() <= kMaxCapturedName && !secret.value().empty() &&
                   secret.value().size() <= kMaxCaptured && !secret.placeholder().empty() &&
                   secret.placeholder().size() <= kMaxPlaceholder
               ? Status()
               : fail("a captured credential out of bounds");
}

}  // namespace anchorhold::supervisor
