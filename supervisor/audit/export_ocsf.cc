// OCSF: class, activity, endpoints, request and response.
#include <fmt/format.h>

#include <charconv>
#include <ctime>

#include "supervisor/audit/export.h"
#include "supervisor/audit/record_fields.h"

namespace anchorhold::supervisor {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostOpenRequests = 100'000;

// https://schema.ocsf.io/1.3.0: class_uid; category_uid is its thousands.
enum Class : uint32_t {
    kBaseEvent = 0,
    kProcessActivity = 1007,
    kNetworkActivity = 4001,
    kHttpActivity = 4002,
    kDnsActivity = 4003,
    kApplicationLifecycle = 6002,
};
constexpr uint32_t kOther = 99;

struct Kind {
    Class of_class;
    uint32_t activity;
};

uint32_t http_activity(const std::string& method) {
    constexpr const char* kMethods[] = {"CONNECT", "DELETE", "GET", "HEAD",
                                        "OPTIONS", "POST",   "PUT", "TRACE"};
    for (uint32_t i = 0; i < std::size(kMethods); ++i) {
        if (method == kMethods[i]) {
            return i + 1;
        }
    }
    return kOther;
}

bool is_http(const Json& record) {
    const std::string protocol = string_field(record, "protocol");
    return protocol != "tls" && protocol != "tcp";
}

Kind kind_of(const std::string& event, const Json& request) {
    constexpr uint32_t kOpen = 1;
    constexpr uint32_t kClose = 2;
    constexpr uint32_t kRefuse = 5;
    if (event == "decision" || event == "repeated" || event == "outcome") {
        if (is_http(request)) {
            return {kHttpActivity, http_activity(string_field(request, "method"))};
        }
        return {kNetworkActivity, string_field(request, "verdict") == "deny" ? kRefuse : kOpen};
    }
    if (event == "connection") {
        return {kNetworkActivity, kOpen};
    }
    if (event == "connection_closed") {
        return {kNetworkActivity, kClose};
    }
    if (event == "dns") {
        return {kDnsActivity, 1};  // Query
    }
    if (event == "exec") {
        return {kProcessActivity, 1};  // Launch
    }
    if (event == "exec_ended") {
        return {kProcessActivity, 2};  // Terminate
    }
    if (event == "started" || event == "ended") {
        return {kApplicationLifecycle, event == "started" ? 3U : 4U};  // Start, Stop
    }
    return {event == "proxy" ? kApplicationLifecycle : kBaseEvent, kOther};
}

Json endpoint(const Json& request) {
    Json result = Json::object();
    for (const char* key : {"host", "claimed_host"}) {
        if (const std::string name = string_field(request, key); !name.empty()) {
            result["hostname"] = name;
        }
    }
    if (const std::string ip = string_field(request, "claimed_address"); !ip.empty()) {
        result["ip"] = ip;
    }
    if (const uint64_t port = number_field(request, "port"); port != 0) {
        result["port"] = port;
    }
    return result;
}

Json http_request(const Json& request) {
    const std::string target = string_field(request, "target");
    const size_t question = target.find('?');
    Json url = {{"scheme", string_field(request, "protocol")},
                {"hostname", string_field(request, "host")},
                {"port", number_field(request, "port")},
                {"path", target.substr(0, question)}};
    if (question != std::string::npos) {
        url["query_string"] = target.substr(question + 1);
    }
    return {{"http_method", string_field(request, "method")}, {"url", url}};
}

// Action 1 Allowed, 2 Denied; disposition 1 Allowed, 2 Blocked; severity 1 Informational, 3 Medium.
void add_verdict(Json& event, const std::string& verdict) {
    const bool allowed = verdict == "allow" || verdict == "asked_allow";
    event["action_id"] = allowed ? 1 : 2;
    event["disposition_id"] = allowed ? 1 : 2;
    event["severity_id"] = allowed ? 1 : 3;
    event["status_id"] = allowed ? 1 : 2;
}

}  // namespace

uint64_t time_ns(std::string_view text) {
    std::tm utc{};
    constexpr size_t kSeconds = 19;  // 2026-01-02T03:04:05
    if (text.size() != kSeconds + 11 || text[kSeconds] != '.' || text.back() != 'Z' ||
        ::strptime(std::string(text.substr(0, kSeconds)).c_str(), "%Y-%m-%dT%H:%M:%S", &utc) ==
            nullptr) {
        return 0;
    }
    uint64_t fraction = 0;
    const std::string_view digits = text.substr(kSeconds + 1, 9);
    const auto parsed = std::from_chars(digits.begin(), digits.end(), fraction);
    const time_t seconds = ::timegm(&utc);
    return parsed.ptr == digits.end() && seconds >= 0
               ? static_cast<uint64_t>(seconds) * 1'000'000'000 + fraction
               : 0;
}

std::string OcsfExport::event(const nlohmann::json& record) {
    const std::string word = string_field(record, "event");
    const uint64_t number = number_field(record, "request");
    Json request = record;
    if (word == "outcome") {
        if (const auto known = requests_.extract(number); !known.empty()) {
            request = Json::parse(known.mapped(), nullptr, false);
        }
    } else if (word == "decision" && number != 0 && requests_.size() < kMostOpenRequests) {
        requests_[number] = record.dump(-1, ' ', true, Json::error_handler_t::replace);
    }
    const Kind kind = kind_of(word, request);
    Json event = {
        {"class_uid", static_cast<uint32_t>(kind.of_class)},
        {"category_uid", kind.of_class / 1000},
        {"activity_id", kind.activity},
        {"type_uid", uint64_t{kind.of_class} * 100 + kind.activity},
        {"time", time_ns(string_field(record, "time")) / 1'000'000},
        {"severity_id", 1},
        {"metadata",
         {{"version", "1.3.0"},
          {"uid", fmt::format("{}:{}", string_field(record, "sandbox"), number_field(record, "n"))},
          {"sequence", number_field(record, "n")},
          {"profiles", {"security_control"}},
          {"product", {{"name", "Anchorhold"}, {"vendor_name", "Anchorhold"}}}}},
        {"unmapped", record}};
    if (const std::string verdict = string_field(request, "verdict"); !verdict.empty()) {
        add_verdict(event, verdict);
        event["status_detail"] = string_field(request, "reason");
    }
    if (kind.of_class == kHttpActivity || kind.of_class == kNetworkActivity) {
        event["dst_endpoint"] = endpoint(request);
    }
    if (kind.of_class == kHttpActivity) {
        event["http_request"] = http_request(request);
    }
    if (word == "repeated") {
        event["count"] = number_field(record, "count");
    }
    if (word == "outcome") {
        event["http_response"] = {{"code", number_field(record, "status")}};
        event["duration"] = number_field(record, "duration_ns") / 1'000'000;
        event["traffic"] = {{"bytes_out", number_field(record, "bytes_out")},
                            {"bytes_in", number_field(record, "bytes_in")}};
    }
    if (word == "connection_closed") {
        event["duration"] = number_field(record, "duration_ns") / 1'000'000;
        event["traffic"] = {{"bytes_out", number_field(record, "bytes_from_guest")},
                            {"bytes_in", number_field(record, "bytes_to_guest")}};
    }
    if (word == "dns") {
        event["query"] = {{"hostname", string_field(record, "name")},
                          {"type", std::to_string(number_field(record, "type"))}};
    }
    if (word == "exec") {
        event["process"] = {{"cmd_line", joined_field(record, "argv")},
                            {"working_directory", string_field(record, "working_directory")},
                            {"user", {{"name", string_field(record, "user")}}}};
    }
    if (word == "exec_ended") {
        event["exit_code"] = record.value("status", Json(0));
        event["duration"] = number_field(record, "duration_ns") / 1'000'000;
    }
    return event.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace anchorhold::supervisor
