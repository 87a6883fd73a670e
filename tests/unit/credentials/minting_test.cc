// Endpoints that hand out credentials: refused, or their answers captured.
#include <gtest/gtest.h>

#include "credential_bench.h"
#include "policy/path_pattern.h"
#include "proxy/credentials/mint_endpoints.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

const std::string kSecret = "client-secret-real-0123456789abcd";
const std::string kHeld = "anchorhold-client-secret-held-one";

bool mints(std::string_view host, std::string_view method, std::string_view target) {
    return is_minting_endpoint(host, method, policy::parse_target(target).value());
}

TEST(MintEndpoints, well_known_ones_recognised) {
    EXPECT_TRUE(mints("id.example.com", "POST", "/oauth/token"));
    EXPECT_TRUE(mints("id.example.com", "POST", "/oauth2/v1/token"));
    EXPECT_TRUE(mints("github.com", "POST", "/login/oauth/access_token"));
    EXPECT_TRUE(mints("api.github.com", "POST", "/app/installations/12/access_tokens"));
    EXPECT_TRUE(mints("api.github.com", "POST", "/repos/a/b/actions/runners/registration-token"));
    EXPECT_TRUE(mints("gitlab.com", "POST", "/api/v4/projects/1/access_tokens"));
    EXPECT_TRUE(mints("api.openai.com", "POST", "/v1/realtime/client_secrets"));
    EXPECT_TRUE(mints("registry.npmjs.org", "PUT", "/-/user/org.couchdb.user:x"));
    EXPECT_TRUE(mints("auth.docker.io", "GET", "/token?service=registry.docker.io"));
    EXPECT_TRUE(mints("portal.sso.us-east-1.amazonaws.com", "GET", "/federation/credentials"));
    EXPECT_TRUE(mints("vault.example.com", "POST", "/v1/auth/approle/login"));
}

TEST(MintEndpoints, ordinary_ones_are_not) {
    EXPECT_FALSE(mints("api.github.com", "GET", "/repos/a/b"));
    EXPECT_FALSE(mints("api.github.com", "GET", "/repos/a/b/keys"));
    EXPECT_FALSE(mints("api.openai.com", "POST", "/v1/chat/completions"));
    EXPECT_FALSE(mints("api.anthropic.com", "POST", "/v1/messages"));
    EXPECT_FALSE(mints("other.example.com", "GET", "/token"));
}

TEST(MintEndpoints, aws_operations_recognised) {
    const auto aws = [](std::string target, Fields fields, std::string_view form) {
        return is_minting_aws_request({"POST", "h", std::move(target), "", std::move(fields)},
                                      form);
    };
    EXPECT_TRUE(aws("/", {}, "Action=AssumeRole&Version=2011-06-15"));
    EXPECT_TRUE(aws("/?Action=GetSessionToken", {}, ""));
    EXPECT_TRUE(aws("/?session", {}, ""));
    EXPECT_TRUE(aws(
        "/", {{"x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"}}, ""));
    EXPECT_FALSE(aws("/", {}, "Action=GetCallerIdentity"));
    EXPECT_FALSE(aws("/?list-type=2", {{"x-amz-target", "DynamoDB_20120810.GetItem"}}, ""));
}

class MintingTest : public testing::Test, public CredentialBench {
  protected:
    MintingTest() {
        add_secret("client", kSecret, kHeld);
        binding = &bind("client");
        binding->set_form_field("client_secret");
    }
    void mint(bool capture) {
        proto::Mint& mint = *binding->add_mints();
        *mint.mutable_path() = policy::parse_path_pattern("/oauth/token").value();
        mint.set_capture(capture);
        mint.add_fields("/access_token");
        mint.add_fields("/refresh_token");
    }
    Outcome ask() {
        return request({.method = "POST",
                        .target = "/oauth/token",
                        .fields = {{"content-type", "application/x-www-form-urlencoded"}},
                        .body = "grant_type=client_credentials&client_secret=" + kHeld});
    }
    proto::Binding* binding = nullptr;
    const Fields json = {{"content-type", "application/json;charset=UTF-8"}};
};

TEST_F(MintingTest, built_in_endpoint_refused) {
    EXPECT_EQ(ask().reason(), Reason::minting);
}

TEST_F(MintingTest, endpoint_named_without_capture_refused) {
    mint(false);
    EXPECT_EQ(ask().reason(), Reason::minting);
}

TEST_F(MintingTest, capture_outside_its_document_refused) {
    mint(true);
    const Outcome outcome = request({.method = "POST", .target = "/oauth/token", .document = 4});
    EXPECT_EQ(outcome.reason(), Reason::minting);
}

TEST_F(MintingTest, tokens_captured_and_used_like_their_origin) {
    mint(true);
    Outcome outcome = ask();
    ASSERT_EQ(outcome.reason(), Reason::none) << outcome.refused->detail;
    EXPECT_EQ(outcome.body, "grant_type=client_credentials&client_secret=" + kSecret);
    const std::string token = "ya29.a0AfH6SMBx-real-access-token";
    const std::string refresh = "1//0gRealRefreshTokenValue-abcdef";
    const Seen seen =
        answer(outcome, {.fields = json,
                         .body = "{\"access_token\":\"" + token + "\", \"expires_in\": 3599,\n" +
                                 "\"refresh_token\":\"" + refresh + "\",\"token_type\":\"Bearer\"}",
                         .piece = 3});
    ASSERT_FALSE(seen.refused) << seen.refused->detail;
    EXPECT_EQ(outcome.use->answer_needed(), kMaxCredentialBody);
    EXPECT_TRUE(outcome.use->answer_may_change());
    EXPECT_EQ(seen.body.find(token), std::string::npos);
    EXPECT_EQ(seen.body.find(refresh), std::string::npos);
    EXPECT_NE(seen.body.find("\"expires_in\": 3599,\n"), std::string::npos);
    const auto minted = outcome.use->take_minted();
    ASSERT_EQ(minted.size(), 2U);
    EXPECT_TRUE(outcome.use->take_minted().empty());
    EXPECT_EQ(minted[0].secret().value(), token);
    EXPECT_EQ(minted[0].secret().name(), binding->id() + "/minted/1");
    EXPECT_EQ(minted[0].binding(), binding->id());
    const std::string held = minted[0].secret().placeholder();
    EXPECT_EQ(held.size(), token.size());
    EXPECT_NE(seen.body.find(held), std::string::npos);

    Outcome use = request({.fields = {{"authorization", "Bearer " + held}}});
    EXPECT_EQ(use.reason(), Reason::none);
    EXPECT_EQ(use.header("authorization"), "Bearer " + token);
    EXPECT_EQ(use.use->used(), std::vector<std::string>{minted[0].secret().name()});
    const Seen echo = answer(use, {.body = "token " + token});
    EXPECT_EQ(echo.body, "token " + held);
    EXPECT_EQ(request({.fields = {{"authorization", "Bearer " + held}}, .document = 2}).reason(),
              Reason::unbound_credential);
    EXPECT_EQ(request({.fields = {{"authorization", "Bearer " + held}}, .host = "evil.example.org"})
                  .reason(),
              Reason::stray_placeholder);
    EXPECT_EQ(request({.target = "/?q=" + held}).reason(), Reason::stray_placeholder);
    const Outcome form = request({.method = "POST",
                                  .fields = {{"content-type", "application/x-www-form-urlencoded"}},
                                  .body = "client_secret=" + minted[1].secret().placeholder()});
    EXPECT_EQ(form.body, "client_secret=1%2F%2F0gRealRefreshTokenValue-abcdef");
}

TEST_F(MintingTest, answer_that_cannot_be_captured_refused) {
    mint(true);
    const std::string token = "{\"access_token\":\"real-token-value-0123\"}";
    const Answer answers[] = {
        {.fields = {{"content-type", "application/x-www-form-urlencoded"}},
         .body = "access_token=real-token-value-0123"},
        {.fields = {{"content-type", "application/json"}, {"content-encoding", "gzip"}},
         .body = token},
        {.fields = json, .body = "{\"token\":\"real-token-value-0123\"}"},
        {.fields = json, .body = token + token},
        {.fields = json, .body = "{\"access_token\":\"line\\nbreak-in-the-token\"}"},
    };
    for (const Answer& one : answers) {
        Outcome outcome = ask();
        const Seen seen = answer(outcome, one);
        ASSERT_TRUE(seen.refused) << one.body;
        EXPECT_EQ(seen.refused->reason, Reason::minting);
        EXPECT_EQ(seen.body, "");
    }
}

TEST_F(MintingTest, error_answers_pass) {
    mint(true);
    for (const unsigned status : {200U, 400U}) {
        Outcome outcome = ask();
        const std::string body = "{\"error\":\"authorization_pending\"}";
        const Seen seen = answer(outcome, {.status = status, .fields = json, .body = body});
        EXPECT_FALSE(seen.refused);
        EXPECT_EQ(seen.body, body);
    }
}

}  // namespace
}  // namespace anchorhold::proxy
