// OTLP/JSON (opentelemetry-proto, logs/v1): attributes by the semantic conventions where there is
// one, the rest under anchorhold.
#include <string_view>
#include <utility>

#include "supervisor/audit/export.h"
#include "supervisor/audit/record_fields.h"
#include "supervisor/audit/record_text.h"

namespace anchorhold::supervisor {
namespace {

using Json = nlohmann::json;

constexpr std::pair<std::string_view, std::string_view> kConventions[] = {
    {"method", "http.request.method"},
    {"host", "server.address"},
    {"port", "server.port"},
    {"target", "url.path_and_query"},
    {"protocol", "url.scheme"},
    {"upstream_address", "network.peer.address"},
    {"bytes_out", "http.request.body.size"},
    {"bytes_in", "http.response.body.size"},
    {"name", "dns.question.name"},
    {"argv", "process.command_args"},
    {"working_directory", "process.working_directory"},
};

std::string attribute_name(const std::string& key, const std::string& event) {
    if (key == "status" && event == "outcome") {
        return "http.response.status_code";
    }
    if (key == "status" && event == "exec_ended") {
        return "process.exit.code";
    }
    for (const auto& [ours, theirs] : kConventions) {
        if (key == ours) {
            return std::string(theirs);
        }
    }
    return "anchorhold." + key;
}

// AnyValue: 64-bit integers are strings (protobuf's JSON mapping).
Json any_value(const Json& value) {
    if (value.is_number_integer()) {
        return {{"intValue", value.dump()}};
    }
    if (value.is_boolean()) {
        return {{"boolValue", value}};
    }
    if (value.is_array()) {
        Json values = Json::array();
        for (const Json& entry : value) {
            values.push_back(any_value(entry));
        }
        return {{"arrayValue", {{"values", values}}}};
    }
    return {{"stringValue", value.is_string()
                                ? value
                                : Json(value.dump(-1, ' ', true, Json::error_handler_t::replace))}};
}

}  // namespace

std::string otel_request(const nlohmann::json& record) {
    constexpr int kInfo = 9;  // SeverityNumber
    constexpr int kWarn = 13;
    const std::string event = string_field(record, "event");
    const std::string verdict = string_field(record, "verdict");
    const bool denied = verdict == "deny" || verdict == "asked_deny";
    Json attributes = Json::array();
    for (const auto& [key, value] : record.items()) {
        if (key != "time" && key != "event") {
            attributes.push_back(
                {{"key", attribute_name(key, event)}, {"value", any_value(value)}});
        }
    }
    const std::string time = std::to_string(time_ns(string_field(record, "time")));
    const Json log_record = {{"timeUnixNano", time},
                             {"observedTimeUnixNano", time},
                             {"severityNumber", denied ? kWarn : kInfo},
                             {"severityText", denied ? "WARN" : "INFO"},
                             {"eventName", "anchorhold.audit." + event},
                             {"body", {{"stringValue", record_text(record, Colour::off)}}},
                             {"attributes", attributes}};
    const Json service = {{{"key", "service.name"}, {"value", {{"stringValue", "anchorhold"}}}}};
    const Json scope_logs = {
        {{"scope", {{"name", "anchorhold.audit"}}}, {"logRecords", Json::array({log_record})}}};
    const Json request = {{"resourceLogs", Json::array({{{"resource", {{"attributes", service}}},
                                                         {"scopeLogs", scope_logs}}})}};
    return request.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace anchorhold::supervisor
