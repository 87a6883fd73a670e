#include "policy/evaluator.h"

#include <gtest/gtest.h>

#include <array>

#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

TEST(evaluator, request_without_any_rule_is_denied) {
    const Evaluator evaluator = evaluator_of({allowing("  - {host: api.example.com}")});
    const Decision decision = decide(evaluator, "GET https://other.example.com/");
    EXPECT_EQ(decision.verdict, Verdict::deny);
    EXPECT_EQ(decision.reason, Reason::no_rule);
    EXPECT_EQ(decision.rule, nullptr);
    EXPECT_EQ(decision.detail, "no rule names this host");
}

TEST(evaluator, rule_matches_host_port_protocol_method_and_path) {
    const Evaluator evaluator = evaluator_of(
        {allowing("  - {host: api.example.com, methods: [GET], paths: [/v1/*, /v2/**]}")});
    const std::array<std::pair<const char*, Verdict>, 14> table = {{
        {"GET https://api.example.com/v1/a", Verdict::allow},
        {"GET https://API.example.com./v1/a", Verdict::allow},
        {"GET https://api.example.com/v2", Verdict::allow},
        {"GET https://api.example.com/v2/a/b/", Verdict::allow},
        {"GET https://api.example.com/v1/a?b=c", Verdict::allow},
        {"GET https://api.example.com/v1/a/", Verdict::deny},
        {"GET https://api.example.com/v1/a/b", Verdict::deny},
        {"GET https://api.example.com/v1/a%2Fb", Verdict::deny},
        {"GET https://api.example.com/V1/a", Verdict::deny},
        {"HEAD https://api.example.com/v1/a", Verdict::deny},
        {"get https://api.example.com/v1/a", Verdict::deny},
        {"GET https://api.example.com:8443/v1/a", Verdict::deny},
        {"GET http://api.example.com:443/v1/a", Verdict::deny},
        {"GET https://x.api.example.com/v1/a", Verdict::deny},
    }};
    for (const auto& [request, expected] : table) {
        EXPECT_EQ(verdict(evaluator, request), expected) << request;
    }
}

TEST(evaluator, suffix_names_everything_below_and_not_itself) {
    const Evaluator evaluator = evaluator_of({allowing("  - {host: \"*.example.com\"}")});
    EXPECT_EQ(verdict(evaluator, "GET https://a.example.com/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://a.b.example.com/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://example.com/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://badexample.com/"), Verdict::deny);
}

TEST(evaluator, rules_of_exact_names_and_all_suffixes_add_up) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: a.b.example.com, methods: [PUT]}\n"
                               "  - {host: \"*.b.example.com\", methods: [POST]}\n"
                               "  - {host: \"*.example.com\", methods: [GET]}")});
    for (const char* method : {"PUT", "POST", "GET"}) {
        EXPECT_EQ(verdict(evaluator, std::string(method) + " https://a.b.example.com/"),
                  Verdict::allow)
            << method;
    }
    EXPECT_EQ(verdict(evaluator, "GET https://c.b.example.com/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "PUT https://c.b.example.com/"), Verdict::deny);
}

TEST(evaluator, address_needs_a_range_that_holds_it) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: 192.0.2.0/24}\n  - {host: \"2001:db8::/32\"}")});
    EXPECT_EQ(verdict(evaluator, "GET https://192.0.2.7/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://[::ffff:192.0.2.7]/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://[2001:db8:1::7]/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://192.0.3.7/"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://[64:ff9b::c000:207]/"), Verdict::deny);
}

TEST(evaluator, query_conditions_hold_for_every_value_of_a_key) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: x.example.com, query: {service: [git-*, lfs], debug: "
                               "{absent: true}, id: {present: true}}}")});
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?service=git-up&id"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?id=1&service=lfs"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?service=git-up"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?service=other&id"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?service=lfs&service=other&id"),
              Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?service=lfs&id&debug"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://x.example.com/?%73ervice=lfs&id"), Verdict::allow);
}

TEST(evaluator, ask_counts_only_where_nothing_allows) {
    const Evaluator evaluator = evaluator_of(
        {std::string(kGrant) +
         "allow:\n  - {host: a.example.com, methods: [GET]}\nask:\n  - {host: \"*\"}\n"});
    EXPECT_EQ(verdict(evaluator, "GET https://a.example.com/"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "POST https://a.example.com/"), Verdict::ask);
    EXPECT_EQ(verdict(evaluator, "GET https://b.example.org/"), Verdict::ask);
    EXPECT_EQ(verdict(evaluator, "GET http://b.example.org/"), Verdict::deny);
}

TEST(evaluator, decision_names_the_first_rule_and_its_origin) {
    const Evaluator evaluator = evaluator_of(
        {allowing("  - {host: a.example.com, paths: [/x]}\n  - {host: a.example.com}")});
    const Decision decision = decide(evaluator, "GET https://a.example.com/x");
    ASSERT_NE(decision.rule, nullptr);
    EXPECT_EQ(decision.rule->id(), "a/allow/1");
    EXPECT_EQ(evaluator.origin_text(decision.rule->origin()), "a.yaml:4:5");
    EXPECT_EQ(decision.reason, Reason::none);
}

constexpr char kCredential[] =
    "credentials:\n  - {secret: token, host: a.example.com, kind: bearer}\n";

TEST(evaluator, bindings_are_those_of_the_allowing_rules_documents) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: a.example.com, methods: [GET]}") + kCredential,
                      allowing("  - {host: a.example.com, methods: [POST]}")});
    const Decision with = decide(evaluator, "GET https://a.example.com/");
    ASSERT_EQ(with.bindings.size(), 1U);
    EXPECT_EQ(with.bindings[0]->secret(), "token");
    EXPECT_TRUE(decide(evaluator, "POST https://a.example.com/").bindings.empty());
}

TEST(evaluator, same_binding_of_two_documents_is_given_once) {
    const Evaluator evaluator = evaluator_of({allowing("  - {host: a.example.com}") + kCredential,
                                              allowing("  - {host: a.example.com}") + kCredential});
    EXPECT_EQ(decide(evaluator, "GET https://a.example.com/").bindings.size(), 1U);
    const Endpoint endpoint{.host = "a.example.com", .address = {}, .port = 443};
    EXPECT_EQ(evaluator.bindings_of(endpoint).size(), 2U);
}

TEST(evaluator, bindings_of_another_port_or_host_are_not_given) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: \"*.example.com\", ports: [443, 8443]}") + kCredential});
    EXPECT_TRUE(decide(evaluator, "GET https://a.example.com:8443/").bindings.empty());
    EXPECT_TRUE(decide(evaluator, "GET https://b.example.com/").bindings.empty());
    EXPECT_EQ(decide(evaluator, "GET https://a.example.com/").bindings.size(), 1U);
}

TEST(evaluator, bounds_of_rules_that_allow_the_same_add_up) {
    const Evaluator evaluator = evaluator_of(
        {allowing("  - {host: a.example.com, max_request_bytes: 1K, max_response_bytes: 1M}\n"
                  "  - {host: a.example.com, methods: [PUT], max_request_bytes: 2K}")});
    const Decision put = decide(evaluator, "PUT https://a.example.com/");
    EXPECT_EQ(put.max_request_bytes, 2048U);
    EXPECT_EQ(put.max_response_bytes, 0U);
    const Decision get = decide(evaluator, "GET https://a.example.com/");
    EXPECT_EQ(get.max_request_bytes, 1024U);
    EXPECT_EQ(get.max_response_bytes, 1048576U);
}

TEST(evaluator, connections_need_their_own_protocol) {
    const Evaluator evaluator =
        evaluator_of({allowing("  - {host: db.example.com, protocol: tcp, port: 5432}\n"
                               "  - {host: pinned.example.com, protocol: tls}")});
    EXPECT_EQ(verdict(evaluator, "tcp://db.example.com:5432"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "tls://pinned.example.com"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, "tls://db.example.com:5432"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "tcp://pinned.example.com:443"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, "GET https://pinned.example.com/"), Verdict::deny);
    const auto protocol = [&](std::string_view host, uint16_t port) {
        return evaluator.protocol_of(Endpoint{.host = host, .address = {}, .port = port});
    };
    EXPECT_EQ(protocol("db.example.com", 5432), proto::TCP);
    EXPECT_EQ(protocol("pinned.example.com", 443), proto::TLS);
    EXPECT_EQ(protocol("db.example.com", 443), std::nullopt);
}

constexpr char kGraphQl[] =
    "  - {host: api.example.com, methods: [POST], paths: [/graphql], graphql: {operations: "
    "[query], "
    "fields: [viewer, repo*]}}";

TEST(evaluator, graphql_rule_reads_the_whole_body) {
    const Evaluator evaluator = evaluator_of({allowing(kGraphQl)});
    const std::string post = "POST https://api.example.com/graphql";
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"{viewer{login}}"})"), Verdict::allow);
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"query A{viewer{a}} query B{repository{b}}"})"),
              Verdict::allow);
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"{viewer{a} secrets}"})"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"{viewer: secrets}"})"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, post, R"({"query":"mutation{viewer}"})"), Verdict::deny);
    EXPECT_EQ(verdict(evaluator, post, R"([{"query":"{viewer}"},{"query":"mutation{viewer}"}])"),
              Verdict::deny);
    const Decision unreadable = decide(evaluator, post, "{");
    EXPECT_EQ(unreadable.reason, Reason::body_unreadable);
    EXPECT_EQ(verdict(evaluator, post + "?query={viewer}", R"({"query":"{viewer}"})"),
              Verdict::deny);
}

TEST(evaluator, body_is_needed_only_where_a_matching_rule_reads_it) {
    const Evaluator evaluator = evaluator_of({allowing(kGraphQl)});
    const auto needed = [&](std::string_view text) {
        const auto line = RequestLine::parse(text);
        return evaluator.body_needed(line->request());
    };
    EXPECT_EQ(needed("POST https://api.example.com/graphql"), kMaxReadBody);
    EXPECT_EQ(needed("GET https://api.example.com/graphql"), 0U);
    EXPECT_EQ(needed("POST https://api.example.com/other"), 0U);
    EXPECT_EQ(needed("POST https://other.example.com/graphql"), 0U);
}

TEST(evaluator, body_beyond_the_bound_or_encoded_is_not_read) {
    const Evaluator evaluator = evaluator_of({allowing(kGraphQl)});
    const auto line = RequestLine::parse("POST https://api.example.com/graphql");
    Request request = line->request();
    const std::string body = R"({"query":"{viewer}"})";
    request.content_type = "application/json";
    request.body = body;
    EXPECT_EQ(evaluator.evaluate(request).verdict, Verdict::allow);
    request.content_encoding = "gzip";
    EXPECT_EQ(evaluator.evaluate(request).reason, Reason::body_unreadable);
    request.content_encoding = {};
    const std::string padded = body + std::string(kMaxReadBody, ' ');
    request.body = padded;
    EXPECT_EQ(evaluator.evaluate(request).reason, Reason::body_too_large);
}

TEST(evaluator, json_rpc_rule_matches_every_call) {
    const Evaluator evaluator = evaluator_of(
        {allowing("  - {host: mcp.example.com, methods: [POST], paths: [/mcp], json_rpc: {methods: "
                  "[initialize, notifications/*, tools/*], tools: [search]}}")});
    const std::string post = "POST https://mcp.example.com/mcp";
    EXPECT_EQ(verdict(evaluator, post, R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"),
              Verdict::allow);
    EXPECT_EQ(
        verdict(evaluator, post,
                R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search"}})"),
        Verdict::allow);
    EXPECT_EQ(
        verdict(evaluator, post,
                R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}})"),
        Verdict::deny);
    EXPECT_EQ(verdict(evaluator, post, R"({"jsonrpc":"2.0","id":1,"method":"resources/read"})"),
              Verdict::deny);
}

TEST(evaluator, hostile_policies_are_refused) {
    proto::ResolvedPolicy policy = policy_of({allowing("  - {host: a.example.com}")});
    const auto refused = [](const proto::ResolvedPolicy& changed) {
        return !Evaluator::create(changed);
    };
    EXPECT_FALSE(refused(policy));
    proto::ResolvedPolicy no_port = policy;
    no_port.mutable_rules(0)->clear_ports();
    EXPECT_TRUE(refused(no_port));
    proto::ResolvedPolicy bad_host = policy;
    bad_host.mutable_rules(0)->mutable_hosts(0)->set_exact("A.example.com");
    EXPECT_TRUE(refused(bad_host));
    proto::ResolvedPolicy any_host = policy;
    any_host.mutable_rules(0)->mutable_hosts(0)->set_any(true);
    EXPECT_TRUE(refused(any_host));
    proto::ResolvedPolicy no_document = policy;
    no_document.mutable_rules(0)->mutable_origin()->set_document(7);
    EXPECT_TRUE(refused(no_document));
    proto::ResolvedPolicy no_location = policy;
    no_location.add_bindings()->set_secret("x");
    EXPECT_TRUE(refused(no_location));
}

}  // namespace
}  // namespace anchorhold::policy
