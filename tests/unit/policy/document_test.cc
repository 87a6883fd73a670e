#include "policy/document.h"

#include <gtest/gtest.h>

#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

std::string grant(std::string_view rest) {
    return std::string(kGrant) + std::string(rest);
}

std::string error(const std::string& text) {
    const auto document = parse_document(text, "x.yaml");
    return document ? "no error" : document.error().message;
}

TEST(document, rules_are_read_with_their_origin_and_defaults) {
    const auto document = parse_document(
        grant("description: D\nallow:\n  - host: a.example.com\n    description: R\n  - hosts: "
              "[b.example.com, \"*.c.example.com\"]\n    protocol: http\n    methods: GET\n    "
              "path: /x\n"),
        "dir/my-policy.yaml");
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(document->info.name(), "my-policy");
    EXPECT_EQ(document->info.file(), "dir/my-policy.yaml");
    EXPECT_EQ(document->info.sha256().size(), 32U);
    ASSERT_EQ(document->rules.size(), 2U);
    EXPECT_EQ(document->rules[0].id(), "my-policy/allow/1");
    EXPECT_EQ(document->rules[0].origin().line(), 5U);
    EXPECT_EQ(document->rules[0].origin().column(), 5U);
    EXPECT_EQ(document->rules[0].ports(0), 443U);
    EXPECT_EQ(document->rules[1].ports(0), 80U);
    EXPECT_EQ(document->rules[1].methods(0), "GET");
}

TEST(document, mistakes_are_shown_with_their_place_and_a_way_out) {
    struct Case {
        std::string text;
        const char* message;
    };
    const Case cases[] = {
        {"kind: grant\n", "x.yaml:1:1: a policy needs 'version'"},
        {"version: 2\nkind: grant\n", "x.yaml:1:10: this program reads version 1"},
        {"version: 1\nkind: grants\n",
         "x.yaml:2:7: kind is one of grant, guardrail; did you mean 'grant'?"},
        {grant("alow: []\n"), "x.yaml:3:1: a policy has no 'alow'; did you mean 'allow'?"},
        {grant("allow:\n  - {host: a.com, methodes: [GET]}\n"),
         "x.yaml:4:19: a rule has no 'methodes'; did you mean 'methods'?"},
        {grant("allow:\n  - {host: a.com, methods: [get]}\n"),
         "x.yaml:4:29: a method is a word in upper case such as GET; leave methods out for any"},
        {grant("allow:\n  - {methods: [GET]}\n"), "x.yaml:4:5: a rule needs 'host' or 'hosts'"},
        {grant("allow:\n  - {host: \"*\"}\n"),
         "x.yaml:4:5: '*' is not allowed under allow; name hosts, or *.suffixes"},
        {grant("allow:\n  - {host: a.com, host: b.com}\n"),
         "x.yaml:4:19: 'host' is here a second time; the first is on line 4"},
        {grant("allow: &x\n  - {host: a.com}\n"), "anchors are not allowed"},
        {grant("allow: !!seq\n  - {host: a.com}\n"), "x.yaml:3:8: tags are not allowed"},
        {grant("deny:\n  - {host: a.com}\n"), "a grant denies nothing"},
        {std::string(kGuardrail) + "allow:\n  - {host: a.com}\n", "a guardrail denies and limits"},
        {grant("allow:\n  - {host: a.com, protocol: tcp}\n"), "a rule for tcp needs 'port'"},
        {grant("allow:\n  - {host: a.com, protocol: tls, methods: [GET]}\n"), "are not opened"},
        {grant("allow:\n  - {host: a.com, graphql: query}\n"), "names its paths"},
        {grant("allow:\n  - {host: a.com, port: 70000}\n"), "a port is between 1 and 65535"},
        {grant("allow:\n  - {host: a.com, query: {a: {absent: no}}}\n"),
         "absent or present is true or false"},
        {grant("limits:\n  - {requests: 5}\n"), "needs 'per'"},
        {grant("limits:\n  - {requests: 5, streams: 2, per: 1m}\n"), "one limit counts one thing"},
        {grant("allow: []\n"), "allow is empty"},
        {grant("---\nversion: 1\n"), "a second YAML document"},
        {"", "x.yaml:1:1: the file is empty"},
        {"a: [", "x.yaml:"},
        {"a: \x01", "x.yaml:1:4: a control character"},
        {"a: \xff", "not UTF-8"},
        {"- a\n", "x.yaml:1:1: a policy is a mapping"},
        {"{[a]: b}", "a key must be a plain word"},
        {"&a a: *a\n", "anchors are not allowed"},
    };
    for (const Case& one : cases) {
        EXPECT_NE(error(one.text).find(one.message), std::string::npos)
            << one.text << "\n-> " << error(one.text);
    }
}

TEST(document, depth_and_size_are_bounded) {
    EXPECT_NE(error(std::string(100, '[') + std::string(100, ']')).find("nested more than"),
              std::string::npos);
    EXPECT_NE(error(std::string(200'000, '[')).find("x.yaml:"), std::string::npos);
    EXPECT_NE(error(std::string(300'000, ' ')).find("longer than"), std::string::npos);
    std::string deep = "a:";
    for (size_t i = 1; i < 100; ++i) {
        deep += "\n" + std::string(i, ' ') + "a:";
    }
    EXPECT_NE(error(deep).find("nested more than"), std::string::npos);
}

proto::Binding binding_of(std::string_view credential) {
    const auto document = parse_document(
        grant("allow:\n  - {host: a.example.com}\ncredentials:\n  - " + std::string(credential)),
        "x.yaml");
    EXPECT_TRUE(document) << document.error().message;
    return document && !document->bindings.empty() ? document->bindings[0] : proto::Binding();
}

std::string credential_error(std::string_view credential) {
    return error(
        grant("allow:\n  - {host: a.example.com}\ncredentials:\n  - " + std::string(credential)));
}

TEST(document, credentials_of_every_kind_are_read) {
    const proto::Binding bearer = binding_of(
        "{secret: t, host: a.example.com, kind: bearer, variable: TOKEN, shape: ghp_, mint: "
        "[/login, "
        "{path: /oauth/token, capture: [/access_token]}]}");
    EXPECT_EQ(bearer.id(), "x/credential/1");
    EXPECT_EQ(bearer.header(), "authorization");
    EXPECT_EQ(bearer.format(), "Bearer {}");
    EXPECT_EQ(bearer.ports(0), 443U);
    EXPECT_EQ(bearer.variables(0), "TOKEN");
    ASSERT_EQ(bearer.mints_size(), 2);
    EXPECT_FALSE(bearer.mints(0).capture());
    EXPECT_EQ(bearer.mints(1).fields(0), "/access_token");
    const proto::Binding git = binding_of("{secret: t, host: a.example.com, kind: git}");
    EXPECT_TRUE(git.basic());
    EXPECT_EQ(git.user(), "x-access-token");
    EXPECT_EQ(
        binding_of("{secret: t, host: a.example.com, kind: header, header: X-Api-Key}").header(),
        "x-api-key");
    EXPECT_EQ(binding_of("{secret: t, host: a.example.com, kind: query, key: k}").query_key(), "k");
    EXPECT_EQ(binding_of("{secret: t, host: a.example.com, kind: path, segment: 2}").path_segment(),
              2U);
    EXPECT_EQ(
        binding_of("{secret: t, host: a.example.com, kind: json, pointer: /a/0}").json_pointer(),
        "/a/0");
    EXPECT_EQ(binding_of("{secret: t, host: a.example.com, kind: form, field: f}").form_field(),
              "f");
    const proto::Binding aws = binding_of(
        "{secret: t, host: a.example.com, kind: aws-sigv4, service: s3, region: eu-central-1, "
        "access_key: id, session_token: st}");
    EXPECT_EQ(aws.aws_sigv4().service(), "s3");
    EXPECT_EQ(aws.aws_sigv4().access_key_secret(), "id");
    EXPECT_EQ(aws.aws_sigv4().access_key_variable(), "AWS_ACCESS_KEY_ID");
    EXPECT_EQ(aws.aws_sigv4().session_token_secret(), "st");
    EXPECT_EQ(
        binding_of("{secret: k, host: a.example.com, kind: client-certificate, certificate: c}")
            .client_certificate()
            .certificate_secret(),
        "c");
}

TEST(document, credentials_that_cannot_serve_are_refused) {
    const std::pair<const char*, const char*> cases[] = {
        {"{secret: t, host: b.example.com, kind: bearer}", "nothing in this document allows https"},
        {"{secret: t, host: a.example.com, port: 8443, kind: bearer}", "nothing in this document"},
        {"{secret: t, host: 192.0.2.1, kind: bearer}", "needs 'host'"},
        {"{secret: t, host: a.example.com}", "a credential needs 'kind'"},
        {"{secret: t, host: a.example.com, kind: baerer}", "did you mean 'bearer'?"},
        {"{secret: t, host: a.example.com, kind: bearer, format: x}",
         "of kind bearer has no 'format'"},
        {"{secret: t, host: a.example.com, kind: header, header: Host}",
         "no place for a credential"},
        {"{secret: t, host: a.example.com, kind: header, header: x y}", "a field's name"},
        {"{secret: t, host: a.example.com, kind: header, header: x, format: \"{}{}\"}",
         "has one {}"},
        {"{secret: \"Sk 1\", host: a.example.com, kind: bearer}", "never the secret itself"},
        {"{secret: t, host: a.example.com, kind: path, segment: 0}", "from 1 to 64"},
        {"{secret: t, host: a.example.com, kind: json, pointer: a}", "begins with a slash"},
        {"{secret: t, host: a.example.com, kind: basic}", "needs 'user'"},
        {"{secret: t, host: a.example.com, kind: basic, user: \"a:b\"}", "a colon"},
        {"{secret: t, host: a.example.com, kind: bearer, variable: 1A}", "a variable is a name"},
    };
    for (const auto& [credential, message] : cases) {
        EXPECT_NE(credential_error(credential).find(message), std::string::npos)
            << credential << "\n-> " << credential_error(credential);
    }
}

TEST(document, limits_are_read) {
    const auto document = parse_document(
        grant(
            "limits:\n  - {requests: 600, per: 1m, hosts: [a.example.com]}\n  - {bytes_out: 1GiB}\n"
            "  - {streams: 32, merge: min}\n"),
        "x.yaml");
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ(document->limits[0].limit.amount(), 600U);
    EXPECT_EQ(document->limits[0].limit.window_seconds(), 60U);
    EXPECT_EQ(document->limits[1].limit.amount(), 1ULL << 30U);
    EXPECT_EQ(document->limits[1].limit.window_seconds(), 0U);
    EXPECT_EQ(document->limits[2].merge, LimitMerge::minimum);
}

}  // namespace
}  // namespace anchorhold::policy
