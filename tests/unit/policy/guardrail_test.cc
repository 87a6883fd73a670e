// Guardrails win over every grant, and are read widely.
#include <gtest/gtest.h>

#include "policy/evaluator.h"
#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

const std::string kEverything = allowing("  - {hosts: [\"*.example.com\", 0.0.0.0/0, \"::/0\"]}");

TEST(guardrail, deny_wins_over_allow_and_ask) {
    const Evaluator evaluator = evaluator_of(
        {kEverything, std::string(kGrant) + "ask:\n  - {host: \"*\"}\n",
         denying("  - {host: bad.example.com, description: Not this one}\n  - {host: bad.org}")});
    const Decision decision = decide(evaluator, "GET https://bad.example.com/");
    EXPECT_EQ(decision.verdict, Verdict::deny);
    EXPECT_EQ(decision.reason, Reason::guardrail);
    EXPECT_EQ(decision.detail, "Not this one");
    EXPECT_EQ(decision.rule->id(), "c/deny/1");
    EXPECT_EQ(verdict(evaluator, "GET https://bad.org/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://good.example.com/"), Verdict::allow);
}

TEST(guardrail, without_protocol_and_port_it_is_about_all_of_them) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: x.example.com, protocol: tcp, port: 22}\n"
                               "  - {host: x.example.com, protocol: http}"),
                      denying("  - {host: \"*.example.com\"}")});
    EXPECT_EQ(decide(evaluator, "tcp://x.example.com:22").reason, Reason::guardrail);
    EXPECT_EQ(decide(evaluator, "GET http://x.example.com/").reason, Reason::guardrail);
}

TEST(guardrail, paths_are_denied_in_every_reading) {
    const Evaluator evaluator =
        evaluator_of({kEverything, denying("  - {host: x.example.com, paths: [/admin/keys]}")});
    for (const char* path :
         {"/admin/keys", "/Admin/KEYS", "/admin/keys/", "/admin%2Fkeys", "/admin;a=b/keys",
          "/admin/keys;x", "/%61dmin/keys", "/admin%2fkeys?x"}) {
        EXPECT_EQ(verdict(evaluator, std::string("GET https://x.example.com") + path),
                  Verdict::deny)
            << path;
    }
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/admin/key"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/admin/keys/1"), Verdict::allow);
}

TEST(guardrail, methods_are_denied_in_any_case) {
    const Evaluator evaluator =
        evaluator_of({kEverything, denying("  - {host: x.example.com, methods: [DELETE]}")});
    EXPECT_EQ(verdict(evaluator, "DELETE https://x.example.com/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "delete https://x.example.com/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/"), Verdict::allow);
}

TEST(guardrail, ranges_are_denied_in_every_form) {
    const Evaluator evaluator = evaluator_of({kEverything, denying("  - {host: 10.0.0.0/8}")});
    for (const char* address : {"10.1.2.3", "[::ffff:10.1.2.3]", "[64:ff9b::a01:203]",
                                "[2002:a01:203::1]", "[::a01:203]"}) {
        EXPECT_EQ(verdict(evaluator, std::string("GET https://") + address + "/"), Verdict::deny)
            << address;
    }
    EXPECT_EQ(verdict(evaluator, "GET https://11.1.2.3/"), Verdict::allow);
}

TEST(guardrail, some_value_of_a_repeated_key_is_enough) {
    const Evaluator evaluator = evaluator_of(
        {kEverything, denying("  - {host: x.example.com, query: {mode: [\"all data\"]}}")});
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?mode=a&mode=all%20data"),
              Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?mode=ALL+data"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?mode=a"), Verdict::allow);
}

TEST(guardrail, about_a_body_denies_what_it_cannot_read) {
    const Evaluator evaluator = evaluator_of(
        {kEverything,
         denying(
             "  - {host: x.example.com, protocol: https, paths: [/graphql], graphql: mutation}")});
    const std::string post = "POST https://x.example.com/graphql";
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"{viewer}"})"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"mutation{a}"})"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, post, R"([{"query":"{a}"},{"query":"mutation{a}"}])"),
              Verdict::deny);
    EXPECT_EQ(verdict(evaluator, post, "query=mutation"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/graphql?query=mutation{a}"),
              Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/graphql"), Verdict::allow);
}

TEST(guardrail, about_requests_denies_connections_that_are_not_opened) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: x.example.com, protocol: tls}"),
                      denying("  - {host: x.example.com, methods: [DELETE]}")});
    const Decision decision = decide(evaluator, "tls://x.example.com");
    EXPECT_EQ(decision.reason, Reason::guardrail);
    EXPECT_NE(decision.detail.find("not opened"), std::string::npos);
}

TEST(guardrail, star_is_every_name_and_address) {
    const Evaluator evaluator =
        evaluator_of({kEverything, denying("  - {host: \"*\", methods: [PUT]}")});
    EXPECT_EQ(verdict(evaluator, "PUT https://a.example.com/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "PUT https://192.0.2.1/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://192.0.2.1/"), Verdict::allow);
}

}  // namespace
}  // namespace anchorhold::policy
