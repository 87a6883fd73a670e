#include "policy/within.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

bool is_within(std::initializer_list<std::string> child,
               std::initializer_list<std::string> parent) {
    return beyond(policy_of(child), policy_of(parent)).empty();
}

TEST(within, narrower_rules_are_within) {
    const std::string parent = allowing(
        "  - {host: \"*.example.com\", methods: [GET, POST], paths: [/a/**]}\n"
        "  - {host: b.example.org, ports: [443, 8443]}");
    EXPECT_TRUE(is_within({parent}, {parent}));
    EXPECT_TRUE(is_within({allowing("  - {host: x.example.com, methods: [GET], paths: [/a/b]}")},
                          {parent}));
    EXPECT_TRUE(is_within(
        {allowing("  - {hosts: [y.example.com, b.example.org], methods: [GET], paths: [/a/*]}")},
        {parent}));
    EXPECT_FALSE(
        is_within({allowing("  - {host: example.com, methods: [GET], paths: [/a]}")}, {parent}));
    EXPECT_FALSE(is_within({allowing("  - {host: x.example.com, paths: [/a/b]}")}, {parent}));
    EXPECT_FALSE(is_within({allowing("  - {host: x.example.com, methods: [GET]}")}, {parent}));
    EXPECT_FALSE(is_within({allowing("  - {host: b.example.org, port: 444}")}, {parent}));
}

TEST(within, ask_is_no_allow) {
    const std::string asks = std::string(kGrant) + "ask:\n  - {host: a.example.com}\n";
    EXPECT_TRUE(is_within({asks}, {allowing("  - {host: a.example.com}")}));
    EXPECT_TRUE(is_within({asks}, {asks}));
    EXPECT_FALSE(is_within({allowing("  - {host: a.example.com}")}, {asks}));
}

TEST(within, guardrails_are_repeated_where_they_could_bite) {
    const std::string grant = allowing("  - {host: a.example.com, paths: [/x/**]}");
    const std::string bites = denying("  - {host: a.example.com, paths: [/x/secret]}");
    const std::string elsewhere = denying("  - {host: b.example.com}");
    EXPECT_FALSE(is_within({grant}, {grant, bites}));
    EXPECT_TRUE(is_within({grant, bites}, {grant, bites}));
    EXPECT_TRUE(is_within({grant, denying("  - {host: \"*.example.com\"}")}, {grant, bites}));
    EXPECT_TRUE(is_within({grant}, {grant, elsewhere}));
}

TEST(within, credentials_need_the_same_ones) {
    const std::string grant = allowing("  - {host: a.example.com}");
    const std::string with =
        grant + "credentials:\n  - {secret: s, host: a.example.com, kind: bearer}\n";
    const std::string other =
        grant + "credentials:\n  - {secret: t, host: a.example.com, kind: bearer}\n";
    EXPECT_TRUE(is_within({with}, {with}));
    EXPECT_TRUE(is_within({grant}, {with}));
    EXPECT_FALSE(is_within({with}, {grant}));
    EXPECT_FALSE(is_within({with}, {other}));
}

TEST(within, sizes_ranges_and_limits_are_no_wider) {
    const std::string parent =
        allowing(
            "  - {host: a.example.com, max_request_bytes: 10K, private_ranges: [10.0.0.0/8]}") +
        "limits:\n  - {requests: 10, per: 1m}\n";
    const auto child = [](const char* rule, const char* limit) {
        return allowing(rule) + "limits:\n  - " + limit + "\n";
    };
    const char* narrow =
        "  - {host: a.example.com, max_request_bytes: 5K, private_ranges: [10.1.0.0/16]}";
    EXPECT_TRUE(is_within({child(narrow, "{requests: 9, per: 1m}")}, {parent}));
    EXPECT_FALSE(is_within({child(narrow, "{requests: 11, per: 1m}")}, {parent}));
    EXPECT_FALSE(is_within({allowing(narrow)}, {parent}));
    EXPECT_FALSE(
        is_within({child("  - {host: a.example.com}", "{requests: 9, per: 1m}")}, {parent}));
    EXPECT_FALSE(is_within(
        {child("  - {host: a.example.com, max_request_bytes: 5K, private_ranges: [192.168.0.0/16]}",
               "{requests: 9, per: 1m}")},
        {parent}));
}

std::string changes(std::initializer_list<std::string> old_texts,
                    std::initializer_list<std::string> new_texts) {
    std::string text;
    for (const PolicyChange& change : compare(policy_of(old_texts), policy_of(new_texts))) {
        text += fmt::format("{}: {} ({})\n", change_word(change.kind), change.what, change.origin);
    }
    return text;
}

TEST(compare, shows_what_becomes_allowed_and_denied) {
    EXPECT_EQ(changes({allowing("  - {host: a.example.com, methods: [GET, PUT]}")},
                      {allowing("  - {host: a.example.com, methods: [GET, POST]}")}),
              "becomes allowed: POST https://a.example.com:443 (a.yaml:4:5)\n"
              "becomes denied: PUT https://a.example.com:443 (a.yaml:4:5)\n");
    EXPECT_EQ(
        changes({allowing("  - {host: a.example.com}")}, {allowing("  - {host: a.example.com}")}),
        "");
}

TEST(compare, shows_guardrails_limits_and_credentials) {
    const std::string grant = allowing("  - {host: a.example.com}");
    EXPECT_EQ(changes({grant}, {grant, denying("  - {host: b.example.com}")}),
              "becomes denied: connect any://b.example.com, any port (guardrail) (b.yaml:4:5)\n");
    EXPECT_EQ(changes({grant}, {grant + "limits:\n  - {streams: 2}\n"}),
              "becomes limited: 2 streams (a.yaml:6:5)\n");
    EXPECT_EQ(
        changes({grant + "credentials:\n  - {secret: s, host: a.example.com, kind: bearer}\n"},
                {grant}),
        "loses a credential: 's' in the header authorization to a.example.com (a.yaml:6:5)\n");
}

}  // namespace
}  // namespace anchorhold::policy
