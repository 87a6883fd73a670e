// proto/audit.proto to JSON fields, message by message.
#include "supervisor/audit/event_fields.h"

#include "supervisor/audit/json_text.h"

namespace anchorhold::supervisor {
namespace {

constexpr int kMaxListEntries = 256;

void text(std::string& out, std::string_view key, std::string_view value) {
    if (!value.empty()) {
        append_field(out, key, value);
    }
}

void number(std::string& out, std::string_view key, uint64_t value) {
    if (value != 0) {
        append_field(out, key, value);
    }
}

void signed_number(std::string& out, std::string_view key, int64_t value) {
    out.append(",\"").append(key).append(value < 0 ? "\":-" : "\":");
    append_number(out, static_cast<uint64_t>(value < 0 ? -value : value));
}

template <typename List>
void list(std::string& out, std::string_view key, const List& values) {
    if (values.empty()) {
        return;
    }
    out.append(",\"").append(key).append("\":[");
    int written = 0;
    for (const std::string& value : values) {
        if (written == kMaxListEntries) {
            break;
        }
        if (written++ > 0) {
            out.push_back(',');
        }
        append_json_string(out, value);
    }
    out.push_back(']');
    if (values.size() > kMaxListEntries) {
        append_field(out, std::string(key) + "_cut",
                     static_cast<uint64_t>(values.size() - kMaxListEntries));
    }
}

std::string_view verdict_word(proto::RequestDecided::Verdict verdict) {
    switch (verdict) {
        case proto::RequestDecided::ALLOW:
            return "allow";
        case proto::RequestDecided::DENY:
            return "deny";
        case proto::RequestDecided::ASKED_ALLOW:
            return "asked_allow";
        case proto::RequestDecided::ASKED_DENY:
            return "asked_deny";
        default:
            return "unknown";
    }
}

void write(std::string& out, const proto::SandboxStarted& event) {
    text(out, "image", event.image());
    text(out, "image_digest", event.image_digest());
    text(out, "kernel_digest", event.kernel_digest());
    text(out, "init_digest", event.init_digest());
    text(out, "policy_digest", event.policy_digest());
    list(out, "policies", event.policies());
    list(out, "command", event.command());
}

void write(std::string& out, const proto::SandboxEnded& event) {
    signed_number(out, "status", event.status());
    text(out, "reason", event.reason());
}

void write(std::string& out, const proto::CommandExecuted& event) {
    number(out, "exec", event.number());
    list(out, "argv", event.argv());
    text(out, "user", event.user());
    text(out, "working_directory", event.working_directory());
}

void write(std::string& out, const proto::CommandEnded& event) {
    number(out, "exec", event.number());
    signed_number(out, "status", event.status());
    number(out, "signal", event.signal());
    if (event.out_of_memory()) {
        out.append(",\"out_of_memory\":true");
    }
    append_field(out, "duration_ns", event.duration_ns());
    text(out, "error", event.error());
}

void write(std::string& out, const proto::DnsAsked& event) {
    append_field(out, "name", event.name());
    number(out, "type", event.type());
    text(out, "answer", event.answer());
    number(out, "repeated", event.repeated());
}

void write(std::string& out, const proto::ConnectionOpened& event) {
    text(out, "claimed_host", event.claimed_host());
    text(out, "claimed_address", event.claimed_address());
    number(out, "port", event.port());
    text(out, "claimed_exe", event.claimed_exe());
    number(out, "claimed_pid", event.claimed_pid());
    append_field(out, "claimed_uid", event.claimed_uid());
}

void write(std::string& out, const proto::ConnectionClosed& event) {
    append_field(out, "bytes_from_guest", event.bytes_from_guest());
    append_field(out, "bytes_to_guest", event.bytes_to_guest());
    append_field(out, "duration_ns", event.duration_ns());
    text(out, "error", event.error());
}

void write(std::string& out, const proto::RequestDecided& event) {
    append_field(out, "verdict", verdict_word(event.verdict()));
    text(out, "protocol", event.protocol());
    text(out, "method", event.method());
    text(out, "host", event.host());
    number(out, "port", event.port());
    text(out, "target", event.target());
    text(out, "rule", event.rule());
    text(out, "origin", event.origin());
    text(out, "reason", event.reason());
    text(out, "detail", event.detail());
    list(out, "credentials", event.credentials());
}

void write(std::string& out, const proto::RequestEnded& event) {
    append_field(out, "status", event.status());
    append_field(out, "bytes_out", event.bytes_out());
    append_field(out, "bytes_in", event.bytes_in());
    append_field(out, "duration_ns", event.duration_ns());
    text(out, "upstream_address", event.upstream_address());
    text(out, "error", event.error());
    number(out, "scrubbed", event.scrubbed());
    list(out, "minted", event.minted());
}

void write(std::string& out, const proto::ProxyChanged& event) {
    text(out, "process", event.process());
    text(out, "change", event.change());
}

void write(std::string& out, const proto::DenialsRepeated& event) {
    append_field(out, "count", event.count());
    write(out, event.first());
}

void write(std::string& out, const proto::EventsCounted& event) {
    number(out, "denials", event.denials());
    number(out, "connections", event.connections());
    number(out, "questions", event.questions());
}

}  // namespace

std::string_view event_word(const proto::AuditEvent& event) {
    switch (event.what_case()) {
        case proto::AuditEvent::kStarted:
            return "started";
        case proto::AuditEvent::kEnded:
            return "ended";
        case proto::AuditEvent::kExec:
            return "exec";
        case proto::AuditEvent::kDns:
            return "dns";
        case proto::AuditEvent::kConnection:
            return "connection";
        case proto::AuditEvent::kConnectionClosed:
            return "connection_closed";
        case proto::AuditEvent::kDecision:
            return "decision";
        case proto::AuditEvent::kOutcome:
            return "outcome";
        case proto::AuditEvent::kProxy:
            return "proxy";
        case proto::AuditEvent::kRepeated:
            return "repeated";
        case proto::AuditEvent::kCounted:
            return "counted";
        case proto::AuditEvent::kExecEnded:
            return "exec_ended";
        case proto::AuditEvent::WHAT_NOT_SET:
            break;
    }
    return "unknown";
}

void append_event_fields(std::string& out, const proto::AuditEvent& event) {
    number(out, "stream", event.stream());
    number(out, "request", event.request());
    switch (event.what_case()) {
        case proto::AuditEvent::kStarted:
            return write(out, event.started());
        case proto::AuditEvent::kEnded:
            return write(out, event.ended());
        case proto::AuditEvent::kExec:
            return write(out, event.exec());
        case proto::AuditEvent::kDns:
            return write(out, event.dns());
        case proto::AuditEvent::kConnection:
            return write(out, event.connection());
        case proto::AuditEvent::kConnectionClosed:
            return write(out, event.connection_closed());
        case proto::AuditEvent::kDecision:
            return write(out, event.decision());
        case proto::AuditEvent::kOutcome:
            return write(out, event.outcome());
        case proto::AuditEvent::kProxy:
            return write(out, event.proxy());
        case proto::AuditEvent::kRepeated:
            return write(out, event.repeated());
        case proto::AuditEvent::kCounted:
            return write(out, event.counted());
        case proto::AuditEvent::kExecEnded:
            return write(out, event.exec_ended());
        case proto::AuditEvent::WHAT_NOT_SET:
            return;
    }
}

}  // namespace anchorhold::supervisor
