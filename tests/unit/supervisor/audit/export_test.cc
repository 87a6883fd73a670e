// Records in other systems' shapes.
#include "supervisor/audit/export.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anchorhold::supervisor {
namespace {

using Json = nlohmann::json;

const char* const kTime = "2023-11-14T22:13:20.123456789Z";

Json decision() {
    return {{"n", 7},           {"time", kTime},     {"sandbox", "box"},    {"event", "decision"},
            {"request", 4U},    {"verdict", "deny"}, {"protocol", "https"}, {"method", "POST"},
            {"host", "a.test"}, {"port", 443U},      {"target", "/x?y=1"},  {"reason", "no_rule"}};
}

TEST(OcsfExportTest, request_is_http_activity_and_its_outcome_too) {
    OcsfExport ocsf;
    const Json event = Json::parse(ocsf.event(decision()));
    EXPECT_EQ(event.at("class_uid"), 4002);
    EXPECT_EQ(event.at("category_uid"), 4);
    EXPECT_EQ(event.at("type_uid"), 400206);
    EXPECT_EQ(event.at("time"), 1'700'000'000'123);
    EXPECT_EQ(event.at("action_id"), 2);
    EXPECT_EQ(event.at("dst_endpoint").at("hostname"), "a.test");
    EXPECT_EQ(event.at("http_request").at("url").at("path"), "/x");
    EXPECT_EQ(event.at("http_request").at("url").at("query_string"), "y=1");
    EXPECT_EQ(event.at("metadata").at("profiles"), Json::array({"security_control"}));
    EXPECT_EQ(event.at("unmapped").at("reason"), "no_rule");

    const Json outcome = {
        {"n", 8},         {"time", kTime},   {"event", "outcome"},       {"request", 4U},
        {"status", 503U}, {"bytes_in", 10U}, {"duration_ns", 2'000'000U}};
    const Json ended = Json::parse(ocsf.event(outcome));
    EXPECT_EQ(ended.at("class_uid"), 4002);
    EXPECT_EQ(ended.at("http_request").at("http_method"), "POST");
    EXPECT_EQ(ended.at("http_response").at("code"), 503);
    EXPECT_EQ(ended.at("duration"), 2);
}

TEST(OcsfExportTest, each_event_has_its_class) {
    const std::pair<const char*, int> classes[] = {
        {"connection", 4001}, {"connection_closed", 4001}, {"dns", 4003},
        {"exec", 1007},       {"started", 6002},           {"ended", 6002},
        {"proxy", 6002},      {"checkpoint", 0},           {"exec_ended", 1007},
        {"counted", 0}};
    OcsfExport ocsf;
    for (const auto& [word, number] : classes) {
        EXPECT_EQ(Json::parse(ocsf.event({{"event", word}})).at("class_uid"), number) << word;
    }
    Json splice = decision();
    splice["protocol"] = "tcp";
    EXPECT_EQ(Json::parse(ocsf.event(splice)).at("type_uid"), 400105);
}

TEST(OtelExportTest, record_is_one_request_with_conventional_attributes) {
    const Json request = Json::parse(otel_request(decision()));
    const Json& record =
        request.at("resourceLogs").at(0).at("scopeLogs").at(0).at("logRecords").at(0);
    EXPECT_EQ(record.at("timeUnixNano"), "1700000000123456789");
    EXPECT_EQ(record.at("severityText"), "WARN");
    EXPECT_EQ(record.at("eventName"), "anchorhold.audit.decision");
    std::map<std::string, Json> attributes;
    for (const Json& attribute : record.at("attributes")) {
        attributes[attribute.at("key")] = attribute.at("value");
    }
    EXPECT_EQ(attributes.at("server.address").at("stringValue"), "a.test");
    EXPECT_EQ(attributes.at("server.port").at("intValue"), "443");
    EXPECT_EQ(attributes.at("anchorhold.reason").at("stringValue"), "no_rule");
    EXPECT_EQ(request.at("resourceLogs").at(0).at("resource").at("attributes").at(0).at("key"),
              "service.name");
}

TEST(TimeTest, only_the_logs_own_spelling_is_a_time) {
    EXPECT_EQ(time_ns(kTime), 1'700'000'000'123'456'789U);
    for (const char* text : {"", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.12345678xZ",
                             "2023-13-14T22:13:20.123456789Z", "1969-11-14T22:13:20.123456789Z"}) {
        EXPECT_EQ(time_ns(text), 0U) << text;
    }
}

}  // namespace
}  // namespace anchorhold::supervisor
