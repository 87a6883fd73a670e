// One short sentence for each kind of event.
#include "supervisor/audit/record_text.h"

#include <fmt/format.h>

#include "base/log.h"
#include "supervisor/audit/record_fields.h"

namespace anchorhold::supervisor {
namespace {

constexpr size_t kMostShown = 300;  // of any one field

using Json = nlohmann::json;

// A field, made safe to print.
std::string shown(const Json& record, const char* key) {
    return log::escaped(string_field(record, key), kMostShown);
}

std::string shown_list(const Json& record, const char* key) {
    return log::escaped(joined_field(record, key), kMostShown);
}

// ", word value" where there is a value.
std::string also(const char* word, const std::string& value) {
    return value.empty() ? "" : fmt::format(", {}{}", word, value);
}

std::string destination(const Json& record) {
    const std::string protocol = shown(record, "protocol");
    const uint64_t port = number_field(record, "port");
    const bool usual =
        (protocol == "https" && port == 443) || (protocol == "http" && port == 80) || port == 0;
    return fmt::format("{}://{}{}{}", protocol, shown(record, "host"),
                       usual ? "" : fmt::format(":{}", port), shown(record, "target"));
}

std::string decision_text(const Json& record) {
    const std::string method = shown(record, "method");
    const std::string reason = shown(record, "reason");
    const std::string detail = shown(record, "detail");
    const std::string origin = shown(record, "origin");
    return fmt::format("{}{}{}{}{}{}{}", method, method.empty() ? "" : " ", destination(record),
                       reason.empty() || reason == "none" ? "" : "  " + reason,
                       detail.empty() ? "" : ": " + detail, origin.empty() ? "" : "  by " + origin,
                       also("with ", shown_list(record, "credentials")));
}

std::string outcome_text(const Json& record) {
    const uint64_t status = number_field(record, "status");
    const uint64_t scrubbed = number_field(record, "scrubbed");
    return fmt::format(
        "{}, {} out, {} in, {}{}{}{}{}",
        status == 0 ? std::string("no answer") : fmt::format("status {}", status),
        size_text(number_field(record, "bytes_out")), size_text(number_field(record, "bytes_in")),
        duration_text(number_field(record, "duration_ns")),
        also("from ", shown(record, "upstream_address")), also("", shown(record, "error")),
        scrubbed == 0 ? "" : fmt::format(", {} reflections removed", scrubbed),
        also("captured ", shown_list(record, "minted")));
}

std::string connection_text(const Json& record) {
    const std::string host = shown(record, "claimed_host");
    return fmt::format("to {}:{} by {} (pid {}, uid {}; claimed)",
                       host.empty() ? shown(record, "claimed_address") : host,
                       number_field(record, "port"), shown(record, "claimed_exe"),
                       number_field(record, "claimed_pid"), number_field(record, "claimed_uid"));
}

int64_t status_of(const Json& record) {
    const auto status = record.find("status");
    return status != record.end() && status->is_number_integer() ? status->get<int64_t>() : 0;
}

std::string exec_ended_text(const Json& record) {
    const std::string error = shown(record, "error");
    const uint64_t signal = number_field(record, "signal");
    return fmt::format("{}{}, {}",
                       !error.empty() ? error
                       : signal != 0  ? fmt::format("killed by signal {}", signal)
                                      : fmt::format("status {}", status_of(record)),
                       record.contains("out_of_memory") ? " (out of memory)" : "",
                       duration_text(number_field(record, "duration_ns")));
}

std::string body_text(const std::string& event, const Json& record) {
    if (event == "decision") {
        return decision_text(record);
    }
    if (event == "repeated") {
        return fmt::format("{} more times {}", number_field(record, "count"),
                           decision_text(record));
    }
    if (event == "outcome") {
        return outcome_text(record);
    }
    if (event == "connection") {
        return connection_text(record);
    }
    if (event == "connection_closed") {
        return fmt::format("{} from the guest, {} to it, {}{}",
                           size_text(number_field(record, "bytes_from_guest")),
                           size_text(number_field(record, "bytes_to_guest")),
                           duration_text(number_field(record, "duration_ns")),
                           also("", shown(record, "error")));
    }
    if (event == "dns") {
        const uint64_t repeated = number_field(record, "repeated");
        return fmt::format("{} type {} -> {}{}", shown(record, "name"),
                           number_field(record, "type"), shown(record, "answer"),
                           repeated == 0 ? "" : fmt::format(" (and {} times more)", repeated));
    }
    if (event == "exec") {
        return shown_list(record, "argv") + also("as ", shown(record, "user")) +
               also("in ", shown(record, "working_directory"));
    }
    if (event == "exec_ended") {
        return exec_ended_text(record);
    }
    if (event == "counted") {
        return fmt::format("a flood: {} more denials, {} more connections, {} more questions",
                           number_field(record, "denials"), number_field(record, "connections"),
                           number_field(record, "questions"));
    }
    if (event == "started") {
        return fmt::format("image {}, policy {}: {}", shown(record, "image"),
                           shown(record, "policy_digest").substr(0, 12),
                           shown_list(record, "command"));
    }
    if (event == "ended") {
        return fmt::format("status {}{}", status_of(record), also("", shown(record, "reason")));
    }
    if (event == "proxy") {
        return fmt::format("{} {}", shown(record, "process"), shown(record, "change"));
    }
    if (event == "lost") {
        return fmt::format("records {} to {} were gone", number_field(record, "first"),
                           number_field(record, "last"));
    }
    if (event == "repaired") {
        return fmt::format("{} bytes of a torn line were cut off",
                           number_field(record, "cut_bytes"));
    }
    return "";
}

}  // namespace

std::string size_text(uint64_t bytes) {
    constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(kUnits)) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string duration_text(uint64_t nanoseconds) {
    const double milliseconds = static_cast<double>(nanoseconds) / 1e6;
    return milliseconds < 1000 ? fmt::format("{:.1f} ms", milliseconds)
                               : fmt::format("{:.2f} s", milliseconds / 1000);
}

std::string record_text(const nlohmann::json& record, Colour colour) {
    const std::string event = shown(record, "event");
    const std::string verdict = shown(record, "verdict");
    const std::string time = shown(record, "time");
    const uint64_t request = number_field(record, "request");
    const std::string word = event == "decision" || event == "repeated" ? verdict
                             : event == "connection_closed"             ? "closed"
                                                                        : event;
    std::string line = fmt::format("{:<23}  {:<11} {:>5}  {}", time.substr(0, 23), word,
                                   request == 0 ? std::string() : fmt::format("#{}", request),
                                   body_text(event, record));
    while (!line.empty() && line.back() == ' ') {
        line.pop_back();
    }
    const bool attention =
        verdict == "deny" || verdict == "asked_deny" || event == "lost" || event == "counted";
    return colour == Colour::on && attention ? "\x1b[31m" + line + "\x1b[0m" : line;
}

}  // namespace anchorhold::supervisor
