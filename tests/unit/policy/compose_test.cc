#include "policy/compose.h"

#include <gtest/gtest.h>

#include "policy/digest.h"
#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

std::string credential(std::string_view text) {
    return "credentials:\n  - " + std::string(text) + "\n";
}

TEST(compose, documents_keep_their_order_and_origins) {
    const auto policy =
        policy_of({allowing("  - {host: a.example.com}"), denying("  - {host: b.example.com}")});
    ASSERT_EQ(policy.documents_size(), 2);
    EXPECT_EQ(policy.documents(1).kind(), proto::PolicyDocument::GUARDRAIL);
    EXPECT_EQ(policy.rules(1).origin().document(), 1U);
    EXPECT_EQ(policy.rules(1).id(), "b/deny/1");
}

TEST(compose, same_name_twice_is_a_conflict) {
    const std::string named = std::string(kGrant) + "name: same\n";
    EXPECT_NE(error_of({named, named}).find("a.yaml and b.yaml: both are named 'same'"),
              std::string::npos);
}

TEST(compose, two_protocols_of_which_one_is_not_opened_are_a_conflict) {
    const std::string error = error_of({allowing("  - {host: a.example.com}"),
                                        allowing("  - {host: \"*.example.com\", protocol: tls}")});
    EXPECT_EQ(error,
              "a.yaml:4:5 and b.yaml:4:5: one host and port with two protocols, and one of them is "
              "not opened; use one protocol for this host, or different ports");
    EXPECT_EQ(error_of({allowing("  - {host: a.example.com}"),
                        allowing("  - {host: a.example.com, protocol: tcp, port: 22}")}),
              "no error");
    EXPECT_EQ(error_of({allowing("  - {host: a.example.com, protocol: tls}"),
                        std::string(kGrant) + "ask:\n  - {host: \"*\"}\n"}),
              "no error");
}

TEST(compose, two_credentials_for_one_place_are_a_conflict) {
    const std::string rules = "  - {hosts: [a.example.com, \"*.a.example.com\"]}";
    const auto with = [&](const char* text) { return allowing(rules) + credential(text); };
    EXPECT_NE(error_of({with("{secret: s, host: a.example.com, kind: bearer}"),
                        with("{secret: t, host: a.example.com, kind: bearer}")})
                  .find("a.yaml:6:5 and b.yaml:6:5: two credentials, 's' and 't', for the header "
                        "authorization of one host"),
              std::string::npos);
    EXPECT_NE(error_of({with("{secret: s, host: a.example.com, kind: bearer}"),
                        with("{secret: s, host: a.example.com, kind: basic, user: u}")}),
              "no error");
    EXPECT_EQ(error_of({with("{secret: s, host: a.example.com, kind: bearer}"),
                        with("{secret: s, host: a.example.com, kind: bearer}")}),
              "no error");
    EXPECT_EQ(error_of({with("{secret: s, host: a.example.com, kind: bearer}"),
                        with("{secret: t, host: \"*.a.example.com\", kind: bearer}")}),
              "no error");
}

TEST(compose, rules_that_shadow_each_others_credential_are_a_conflict) {
    const auto with = [](const char* rule, const char* text) {
        return allowing(rule) + credential(text);
    };
    const char* bearer = "{secret: s, host: a.example.com, kind: bearer}";
    const char* header = "{secret: t, host: a.example.com, kind: header, header: x-key}";
    EXPECT_NE(error_of({with("  - {host: a.example.com, paths: [/x/**]}", bearer),
                        with("  - {host: a.example.com, paths: [/x/y]}", header)})
                  .find("a.yaml:4:5 and b.yaml:4:5: both match the same requests"),
              std::string::npos);
    EXPECT_EQ(error_of({with("  - {host: a.example.com, paths: [/x/**]}", bearer),
                        with("  - {host: a.example.com, paths: [/y]}", header)}),
              "no error");
    EXPECT_EQ(error_of({with("  - {host: a.example.com, methods: [GET]}", bearer),
                        with("  - {host: a.example.com, methods: [POST]}", header)}),
              "no error");
}

TEST(compose, placeholders_are_unambiguous) {
    const auto with = [](const char* text) {
        return allowing("  - {hosts: [a.example.com, b.example.com]}") + credential(text);
    };
    EXPECT_NE(error_of({with("{secret: s, host: a.example.com, kind: bearer, variable: T}"),
                        with("{secret: t, host: b.example.com, kind: bearer, variable: T}")})
                  .find("for the variable T"),
              std::string::npos);
    EXPECT_NE(error_of({with("{secret: s, host: a.example.com, kind: bearer, shape: x_}"),
                        with("{secret: s, host: b.example.com, kind: bearer, shape: y_}")})
                  .find("two shapes"),
              std::string::npos);
}

TEST(compose, limits_of_grants_need_merge_and_guardrails_do_not) {
    const auto limited = [](std::string_view kind, const char* text) {
        return std::string(kind) + "limits:\n  - " + text + "\n";
    };
    EXPECT_NE(error_of({limited(kGrant, "{requests: 5, per: 1m}"),
                        limited(kGrant, "{requests: 6, per: 1m, merge: min}")})
                  .find("write 'merge: min' in both"),
              std::string::npos);
    EXPECT_EQ(error_of({limited(kGrant, "{requests: 5, per: 1m, merge: min}"),
                        limited(kGrant, "{requests: 6, per: 1m, merge: min}")}),
              "no error");
    EXPECT_EQ(error_of({limited(kGrant, "{requests: 5, per: 1m}"),
                        limited(kGuardrail, "{requests: 4, per: 1m}")}),
              "no error");
    EXPECT_EQ(error_of({limited(kGrant, "{requests: 5, per: 1m}"),
                        limited(kGrant, "{requests: 6, per: 1h}")}),
              "no error");
}

TEST(compose, private_range_that_a_guardrail_denies_is_a_conflict) {
    EXPECT_NE(error_of({allowing("  - {host: in.example.com, private_ranges: [10.1.0.0/16]}"),
                        denying("  - {host: 10.0.0.0/8}")})
                  .find("the private range 10.1.0.0/16 is denied by a guardrail"),
              std::string::npos);
}

TEST(compose, every_conflict_is_a_line) {
    const std::string error =
        error_of({allowing("  - {host: a.example.com}\n  - {host: b.example.com}"),
                  allowing("  - {host: a.example.com, protocol: tls}\n  - {host: b.example.com, "
                           "protocol: tls}")});
    EXPECT_EQ(std::ranges::count(error, '\n'), 1);
}

TEST(digest, is_the_same_wherever_the_files_lie) {
    proto::ResolvedPolicy policy = policy_of({allowing("  - {host: a.example.com}")});
    const std::string digest = policy_digest(policy);
    EXPECT_TRUE(digest.starts_with("sha256:"));
    EXPECT_EQ(digest.size(), 71U);
    policy.mutable_documents(0)->set_file("/elsewhere/a.yaml");
    EXPECT_EQ(policy_digest(policy), digest);
    policy.mutable_rules(0)->add_methods("GET");
    EXPECT_NE(policy_digest(policy), digest);
}

}  // namespace
}  // namespace anchorhold::policy
