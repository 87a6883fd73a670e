#include "policy/print.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

const std::string kText =
    allowing("  - {host: a.example.com, methods: [GET], paths: [/x/*], query: {k: [v]}}") +
    "credentials:\n  - {secret: s, host: a.example.com, kind: bearer}\nlimits:\n  - {streams: 4}\n";

TEST(print, every_line_of_a_rule_has_its_origin) {
    const std::string text = print_policy(policy_of({kText}));
    EXPECT_NE(text.find("rules:\n  - id: a/allow/1 "), std::string::npos) << text;
    EXPECT_NE(text.find("    paths: [\"/x/*\"]"), std::string::npos) << text;
    EXPECT_NE(text.find("    location: header authorization"), std::string::npos) << text;
    size_t with_origin = 0;
    for (size_t at = text.find("# a.yaml:"); at != std::string::npos;
         at = text.find("# a.yaml:", at + 1)) {
        ++with_origin;
    }
    EXPECT_EQ(with_origin, 8U + 6U + 1U) << text;
}

TEST(print, json_has_the_same) {
    const auto json = nlohmann::json::parse(print_policy_json(policy_of({kText})));
    EXPECT_EQ(json["rules"][0]["origin"], "a.yaml:4:5");
    EXPECT_EQ(json["rules"][0]["query"]["k"][0], "v");
    EXPECT_EQ(json["credentials"][0]["secret"], "s");
    EXPECT_EQ(json["limits"][0]["streams"], 4);
    EXPECT_EQ(json["documents"][0]["kind"], "grant");
}

TEST(print, rule_fits_on_one_line) {
    const auto policy = policy_of({kText, denying("  - {host: \"*.bad.example\"}")});
    EXPECT_EQ(rule_text(policy.rules(0)), "GET https://a.example.com:443 /x/* query {k: [v]}");
    EXPECT_EQ(rule_text(policy.rules(1)), "connect any://*.bad.example, any port");
}

}  // namespace
}  // namespace anchorhold::policy
