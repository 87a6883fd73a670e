// Each location, filled: what goes upstream, byte for byte.
#include "proxy/credentials/credentials.h"

#include <gtest/gtest.h>

#include "credential_bench.h"
#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {
namespace {

const std::string kSecret = "sk-real-secret-value-0123456789";
const std::string kHeld = "sk-anchorhold-held-by-the-guest";  // the placeholder

class CredentialsTest : public testing::Test, public CredentialBench {
  protected:
    CredentialsTest() { add_secret("token", kSecret, kHeld); }
    static std::string basic(const std::string& pair) {
        return "Basic " + std::string(base64_encode(pair).view());
    }
};

TEST_F(CredentialsTest, header_set_whether_or_not_the_guest_sent_it) {
    bind_header("token", "authorization", "Bearer {}");
    for (const std::string& value :
         {std::string(), kHeld, "Bearer " + kHeld, "bearer " + kHeld, "token " + kHeld,
          basic("x-access-token:" + kHeld), basic(kHeld + ":"), basic(kHeld + ":x-oauth-basic")}) {
        Sent sent;
        if (!value.empty()) {
            sent.fields = {{"authorization", value}};
        }
        const Outcome outcome = request(sent);
        EXPECT_EQ(outcome.reason(), policy::Reason::none) << value;
        EXPECT_EQ(outcome.header("authorization"), "Bearer " + kSecret) << value;
        EXPECT_TRUE(find_field(outcome.head.fields, "authorization")->secret);
        EXPECT_EQ(outcome.use->used(), std::vector<std::string>{"token"});
        EXPECT_EQ(outcome.header("accept-encoding"), "identity");
    }
}

TEST_F(CredentialsTest, header_of_any_name_and_other_fields_kept) {
    bind_header("token", "x-api-key", "");
    const Outcome outcome = request(
        {.fields = {{"accept", "*/*"}, {"x-api-key", kHeld}, {"anthropic-version", "2023-06-01"}}});
    EXPECT_EQ(outcome.header("x-api-key"), kSecret);
    EXPECT_EQ(outcome.header("anthropic-version"), "2023-06-01");
    EXPECT_FALSE(find_field(outcome.head.fields, "accept")->secret);
    EXPECT_FALSE(outcome.use->new_content_length());
}

TEST_F(CredentialsTest, two_headers_of_one_secret_are_alternatives) {
    bind_header("token", "x-api-key", "");
    bind_header("token", "authorization", "Bearer {}");
    const Outcome old_style = request({.fields = {{"x-api-key", kHeld}}});
    EXPECT_EQ(old_style.header("x-api-key"), kSecret);
    EXPECT_EQ(old_style.header("authorization"), "");
    const Outcome new_style = request({.fields = {{"authorization", "Bearer " + kHeld}}});
    EXPECT_EQ(new_style.header("authorization"), "Bearer " + kSecret);
    EXPECT_EQ(new_style.header("x-api-key"), "");
    const Outcome without = request({});
    EXPECT_EQ(without.header("x-api-key"), kSecret);
    EXPECT_EQ(without.header("authorization"), "");
    EXPECT_EQ(without.use->used(), std::vector<std::string>{"token"});
}

TEST_F(CredentialsTest, basic_takes_the_bindings_user_or_the_guests) {
    proto::Binding& binding = bind_header("token", "authorization", "");
    binding.set_basic(true);
    EXPECT_EQ(
        request({.fields = {{"authorization", basic("guest:" + kHeld)}}}).header("authorization"),
        basic("guest:" + kSecret));
    binding.set_user("x-access-token");
    EXPECT_EQ(
        request({.fields = {{"authorization", basic("guest:" + kHeld)}}}).header("authorization"),
        basic("x-access-token:" + kSecret));
    EXPECT_EQ(request({}).header("authorization"), basic("x-access-token:" + kSecret));
}

TEST_F(CredentialsTest, query_key_replaced_where_the_placeholder_stands) {
    bind("token").set_query_key("key");
    EXPECT_EQ(request({.target = "/v1/x?a=1&key=" + kHeld + "&b=2"}).head.target,
              "/v1/x?a=1&key=" + kSecret + "&b=2");
    const Outcome without = request({.target = "/v1/x?a=1"});
    EXPECT_EQ(without.head.target, "/v1/x?a=1");
    EXPECT_TRUE(without.use->used().empty());
}

TEST_F(CredentialsTest, path_segment_replaced_in_its_format) {
    proto::Binding& binding = bind("token");
    binding.set_path_segment(1);
    binding.set_format("bot{}");
    EXPECT_EQ(request({.target = "/bot" + kHeld + "/sendMessage?x=1"}).head.target,
              "/bot" + kSecret + "/sendMessage?x=1");
    EXPECT_EQ(request({.target = "/other/sendMessage"}).head.target, "/other/sendMessage");
    EXPECT_EQ(request({.target = "/botOTHER/sendMessage"}).reason(),
              policy::Reason::foreign_credential);
}

TEST_F(CredentialsTest, json_pointer_replaced_and_every_other_byte_kept) {
    bind("token").set_json_pointer("/auth/keys/1");
    const std::string before = "{ \"auth\" : {\"keys\":[\"a\",\"";
    const std::string after = "\"] },\n \"n\": 1.50, \"s\":\"\\u00e9\" }";
    const Outcome outcome = request({.method = "POST",
                                     .fields = {{"content-type", "application/json"}},
                                     .body = before + kHeld + after});
    EXPECT_EQ(outcome.reason(), policy::Reason::none);
    EXPECT_EQ(outcome.body, before + kSecret + after);
    EXPECT_EQ(outcome.use->new_content_length(), outcome.body.size());
    EXPECT_EQ(outcome.use->body_needed(), kMaxCredentialBody);
}

TEST_F(CredentialsTest, form_field_replaced) {
    bind("token").set_form_field("client_secret");
    const Outcome outcome =
        request({.method = "POST",
                 .fields = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
                 .body = "a=b+c&client_secret=" + kHeld + "&d=%20"});
    EXPECT_EQ(outcome.body, "a=b+c&client_secret=" + kSecret + "&d=%20");
}

TEST_F(CredentialsTest, secret_escaped_for_its_location) {
    const std::string odd = "p\"a/ss w%rd&=";
    add_secret("odd", odd, "anchorhold-odd-held-one");
    bind("odd").set_query_key("key");
    bind("odd").set_json_pointer("/k");
    const Outcome outcome = request({.method = "POST",
                                     .target = "/?key=anchorhold-odd-held-one",
                                     .fields = {{"content-type", "application/json"}},
                                     .body = "{\"k\":\"anchorhold-odd-held-one\"}"});
    EXPECT_EQ(outcome.head.target, "/?key=p%22a%2Fss%20w%25rd%26%3D");
    EXPECT_EQ(outcome.body, "{\"k\":\"p\\\"a/ss w%rd&=\"}");
}

TEST_F(CredentialsTest, host_without_binding_passes_untouched) {
    bind_header("token", "authorization", "Bearer {}");
    const Sent sent{.fields = {{"authorization", "Bearer mine"}, {"cookie", "a=b"}},
                    .host = "other.example.com"};
    const Outcome outcome = request(sent);
    EXPECT_EQ(outcome.reason(), policy::Reason::none);
    EXPECT_EQ(outcome.header("authorization"), "Bearer mine");
    EXPECT_EQ(outcome.header("accept-encoding"), "");
    EXPECT_TRUE(outcome.use->used().empty());
}

TEST_F(CredentialsTest, binding_of_another_document_is_not_used) {
    bind_header("token", "authorization", "Bearer {}", 1);
    const Outcome outcome = request({.document = 0});
    EXPECT_EQ(outcome.reason(), policy::Reason::none);
    EXPECT_EQ(outcome.header("authorization"), "");
}

TEST_F(CredentialsTest, answer_scrubbed_and_cookies_dropped) {
    bind_header("token", "authorization", "Bearer {}");
    Outcome outcome = request({});
    const Seen seen =
        answer(outcome, {.fields = {{"set-cookie", "__cf_bm=1"}, {"x-echo", "Bearer " + kSecret}},
                         .body = "you sent " + kSecret + ", thanks",
                         .piece = 11});
    EXPECT_EQ(find_field(seen.head.fields, "set-cookie"), nullptr);
    EXPECT_EQ(find_field(seen.head.fields, "x-echo")->value, "Bearer " + kHeld);
    EXPECT_EQ(seen.body, "you sent " + kHeld + ", thanks");
    EXPECT_EQ(outcome.use->scrubbed(), 2U);
}

TEST_F(CredentialsTest, answer_of_other_hosts_keeps_its_cookies) {
    bind_header("token", "authorization", "Bearer {}");
    Outcome outcome = request({.host = "other.example.com"});
    const Seen seen = answer(outcome, {.fields = {{"set-cookie", "a=b"}}, .body = "x"});
    EXPECT_NE(find_field(seen.head.fields, "set-cookie"), nullptr);
}

TEST_F(CredentialsTest, wiped_head_holds_no_secret) {
    bind_header("token", "authorization", "Bearer {}");
    Outcome outcome = request({});
    wipe(outcome.head);
    EXPECT_EQ(outcome.header("authorization"), "");
    EXPECT_EQ(outcome.head.target, "");
}

TEST_F(CredentialsTest, client_certificate_found_for_its_endpoint) {
    add_secret("key", "-----BEGIN PRIVATE KEY-----\n", "");
    add_secret("chain", "-----BEGIN CERTIFICATE-----\n", "");
    proto::Binding& binding = bind("key");
    binding.mutable_client_certificate()->set_certificate_secret("chain");
    const proto::Binding* const bindings[] = {&binding};
    const auto identity = credentials().client_identity(bindings);
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->key, "-----BEGIN PRIVATE KEY-----\n");
    EXPECT_EQ(identity->certificate_chain, "-----BEGIN CERTIFICATE-----\n");
    EXPECT_EQ(identity->name, "key");
    EXPECT_FALSE(credentials().client_identity({}));
}

struct BadBinding {
    std::string_view name;
    void (*make)(proto::Binding&);
};

TEST(CredentialsCreate, binding_that_cannot_work_is_an_error) {
    const BadBinding cases[] = {
        {"no secret", [](proto::Binding& b) { b.set_secret("none"), b.set_header("a"); }},
        {"no location", [](proto::Binding& b) { b.set_secret("good"); }},
        {"line break", [](proto::Binding& b) { b.set_secret("lines"), b.set_header("a"); }},
        {"no hole",
         [](proto::Binding& b) {
             b.set_secret("good"), b.set_header("a"), b.set_format("Bearer");
         }},
        {"two holes",
         [](proto::Binding& b) { b.set_secret("good"), b.set_header("a"), b.set_format("{}{}"); }},
        {"pointer", [](proto::Binding& b) { b.set_secret("good"), b.set_json_pointer("a"); }},
        {"segment", [](proto::Binding& b) { b.set_secret("good"), b.set_path_segment(0); }},
        {"user",
         [](proto::Binding& b) {
             b.set_secret("good"), b.set_header("a"), b.set_basic(true), b.set_user("a:b");
         }},
        {"access key",
         [](proto::Binding& b) {
             b.set_secret("good"), b.mutable_aws_sigv4()->set_access_key_secret("none");
         }},
    };
    for (const BadBinding& bad : cases) {
        SecretStore store;
        ASSERT_TRUE(store.add("good", "a-good-secret", "p"));
        ASSERT_TRUE(store.add("lines", "two\r\nlines", "q"));
        proto::ResolvedPolicy policy;
        bad.make(*policy.add_bindings());
        const auto made = Credentials::create(policy, std::move(store));
        EXPECT_FALSE(made) << bad.name;
        EXPECT_EQ(made.error().message.find("two\r"), std::string::npos);
    }
}

}  // namespace
}  // namespace anchorhold::proxy
