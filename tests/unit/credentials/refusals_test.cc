// Placeholders where they are not bound, and credentials that are not ours: one attack a line.
#include <gtest/gtest.h>

#include "credential_bench.h"
#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

const std::string kSecret = "sk-real-secret-value-0123456789";
const std::string kHeld = "sk-anchorhold-held-by-the-guest";
const std::string kOther = "sk-anchorhold-for-another-place";

struct Attack {
    std::string_view name;
    CredentialBench::Sent sent;
    Reason reason;
};

// kHeld is bound to Authorization, kOther to another host.
class RefusalsTest : public testing::Test, public CredentialBench {
  protected:
    RefusalsTest() {
        add_secret("token", kSecret, kHeld);
        add_secret("other", "another-real-secret-0123456789", kOther);
        bind_header("token", "authorization", "Bearer {}");
        proto::Binding& binding = bind_header("other", "x-api-key", "");
        binding.mutable_hosts(0)->set_exact("other.example.com");
    }
    void expect(const std::vector<Attack>& attacks) {
        for (const Attack& attack : attacks) {
            const Outcome outcome = request(attack.sent);
            EXPECT_EQ(policy::reason_word(outcome.reason()), policy::reason_word(attack.reason))
                << attack.name << ": " << (outcome.refused ? outcome.refused->detail : "");
            std::string all = outcome.head.target + outcome.body;
            for (const Field& field : outcome.head.fields) {
                all += field.value;
            }
            // A streamed body's refusal comes after the head.
            EXPECT_TRUE(attack.sent.piece != 0 || attack.reason == Reason::none ||
                        all.find(kSecret) == std::string::npos)
                << attack.name;
            if (outcome.refused) {
                EXPECT_EQ(outcome.refused->detail.find(kHeld), std::string::npos);
                EXPECT_EQ(outcome.refused->detail.find('\n'), std::string::npos);
            }
        }
    }
    static std::string b64(const std::string& text) {
        return std::string(base64_encode(text).view());
    }
};

TEST_F(RefusalsTest, stray_placeholders_refused) {
    std::string percent;
    for (const char byte : kHeld) {
        percent += "%" + std::string(hex_encode({&byte, 1}).view());
    }
    expect({
        {"other header", {.fields = {{"x-note", kHeld}}}, Reason::stray_placeholder},
        {"credential header it is not bound to",
         {.fields = {{"x-api-key", kHeld}}},
         Reason::stray_placeholder},
        {"inside a user agent",
         {.fields = {{"user-agent", "curl/" + kHeld + "/8"}}},
         Reason::stray_placeholder},
        {"base64 in a header",
         {.fields = {{"x-note", b64("note: " + kHeld)}}},
         Reason::stray_placeholder},
        {"cookie", {.fields = {{"cookie", "session=" + kHeld}}}, Reason::stray_placeholder},
        {"query", {.target = "/v1?q=" + kHeld}, Reason::stray_placeholder},
        {"query, percent-encoded", {.target = "/v1?q=" + percent}, Reason::stray_placeholder},
        {"credential query", {.target = "/v1?access_token=" + kHeld}, Reason::stray_placeholder},
        {"path", {.target = "/v1/" + kHeld}, Reason::stray_placeholder},
        {"body", {.method = "POST", .body = "x=" + kHeld}, Reason::stray_placeholder},
        {"body in pieces",
         {.method = "POST", .body = "x=" + kHeld + "....", .piece = 5},
         Reason::stray_placeholder},
        {"body, hexadecimal",
         {.method = "POST", .body = std::string(hex_encode(kHeld).view()), .piece = 9},
         Reason::stray_placeholder},
        {"more than the placeholder in its header",
         {.fields = {{"authorization", "Bearer " + kHeld + ", x"}}},
         Reason::stray_placeholder},
        {"the other host's placeholder in our header",
         {.fields = {{"authorization", "Bearer " + kOther}}},
         Reason::stray_placeholder},
        {"host with another binding",
         {.fields = {{"authorization", "Bearer " + kHeld}}, .host = "other.example.com"},
         Reason::stray_placeholder},
        {"host without binding",
         {.fields = {{"authorization", "Bearer " + kHeld}}, .host = "evil.example.org"},
         Reason::stray_placeholder},
        {"query of a host without binding",
         {.target = "/?" + kHeld, .host = "evil.example.org"},
         Reason::stray_placeholder},
        {"body of a host without binding",
         {.method = "POST",
          .body = "{\"a\":\"" + kHeld + "\"}",
          .piece = 16,
          .host = "evil.example.org"},
         Reason::stray_placeholder},
    });
}

TEST_F(RefusalsTest, foreign_credentials_refused) {
    const auto header = [](std::string name, std::string value) {
        return CredentialBench::Sent{.fields = {{std::move(name), std::move(value)}}};
    };
    expect({
        {"bearer", header("authorization", "Bearer attackers"), Reason::foreign_credential},
        {"basic", header("authorization", "Basic " + b64("a:b")), Reason::foreign_credential},
        {"proxy", header("proxy-authorization", "Basic YTpi"), Reason::foreign_credential},
        {"cookie", header("cookie", "session=1"), Reason::foreign_credential},
        {"x-api-key", header("x-api-key", "attackers"), Reason::foreign_credential},
        {"api-key", header("api-key", "attackers"), Reason::foreign_credential},
        {"google", header("x-goog-api-key", "attackers"), Reason::foreign_credential},
        {"aws token", header("x-amz-security-token", "attackers"), Reason::foreign_credential},
        {"gitlab", header("private-token", "attackers"), Reason::foreign_credential},
        {"x-auth-token", header("x-auth-token", "attackers"), Reason::foreign_credential},
        {"vault", header("x-vault-token", "attackers"), Reason::foreign_credential},
        {"twice",
         {.fields = {{"authorization", "Bearer " + kHeld}, {"authorization", "Bearer " + kHeld}}},
         Reason::foreign_credential},
        {"one of two",
         {.fields = {{"authorization", "Bearer " + kHeld}, {"authorization", "Bearer attackers"}}},
         Reason::foreign_credential},
        {"access_token", {.target = "/v1?access_token=attackers"}, Reason::foreign_credential},
        {"api_key", {.target = "/v1?a=1&API_KEY=attackers"}, Reason::foreign_credential},
        {"key", {.target = "/v1?key=attackers"}, Reason::foreign_credential},
        {"encoded key", {.target = "/v1?%6bey=attackers"}, Reason::foreign_credential},
        {"sig", {.target = "/v1?sig=attackers"}, Reason::foreign_credential},
        {"token", {.target = "/v1?token=attackers"}, Reason::foreign_credential},
        {"presigned", {.target = "/v1?X-Amz-Signature=00"}, Reason::signing},
        {"an empty one is none", {.target = "/v1?token=&key"}, Reason::none},
    });
}

TEST_F(RefusalsTest, an_empty_field_gets_the_credential) {
    EXPECT_EQ(request({.fields = {{"authorization", ""}}}).header("authorization"),
              "Bearer " + kSecret);
}

TEST_F(RefusalsTest, placeholder_outside_its_document_refused) {
    for (const std::string& value : {kHeld, "Bearer " + kHeld}) {
        const Outcome outcome = request({.fields = {{"authorization", value}}, .document = 7});
        EXPECT_EQ(outcome.reason(), Reason::unbound_credential);
    }
}

TEST_F(RefusalsTest, plain_http_never_gets_a_credential) {
    Outcome outcome = request({.protocol = proto::HTTP});
    EXPECT_EQ(outcome.reason(), Reason::none);
    EXPECT_EQ(outcome.header("authorization"), "");
    outcome = request({.fields = {{"authorization", "Bearer " + kHeld}}, .protocol = proto::HTTP});
    EXPECT_EQ(outcome.reason(), Reason::unbound_credential);
}

TEST_F(RefusalsTest, placeholder_in_a_trailer_refused) {
    Outcome outcome = request({.method = "POST", .body = "abc", .piece = 2});
    ASSERT_FALSE(outcome.refused);
    std::string rest;
    Fields trailers{{"x-checksum", kHeld}};
    const auto refused = outcome.use->request_end(rest, trailers);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->reason, Reason::stray_placeholder);
}

class BodyRefusalsTest : public testing::Test, public CredentialBench {
  protected:
    BodyRefusalsTest() {
        add_secret("token", kSecret, kHeld);
        bind("token").set_json_pointer("/key");
        bind("token").set_form_field("key");
    }
    Reason json(const std::string& body, Fields more = {}, size_t piece = 0) {
        more.push_back({"content-type", "application/json"});
        const Outcome outcome =
            request({.method = "POST", .fields = more, .body = body, .piece = piece});
        EXPECT_TRUE(!outcome.refused || outcome.body.find(kSecret) == std::string::npos);
        return outcome.reason();
    }
};

TEST_F(BodyRefusalsTest, json_that_is_not_just_the_placeholder_refused) {
    EXPECT_EQ(json("{\"key\":\"" + kHeld + "\"}"), Reason::none);
    EXPECT_EQ(json("{\"key\":\"attackers\"}"), Reason::foreign_credential);
    EXPECT_EQ(json("{\"key\":\"" + kHeld + "x\"}"), Reason::stray_placeholder);
    EXPECT_EQ(json("{\"other\":\"" + kHeld + "\"}"), Reason::stray_placeholder);
    EXPECT_EQ(json("{\"" + kHeld + "\":1}"), Reason::stray_placeholder);
    EXPECT_EQ(json("{\"key\":\"" + kHeld + "\",\"b\":\"" + kHeld + "\"}"),
              Reason::stray_placeholder);
    EXPECT_EQ(json("{\"key\":\"" + kHeld + "\",\"key\":\"" + kHeld + "\"}"),
              Reason::body_unreadable);
    EXPECT_EQ(json("{\"key\":"), Reason::body_unreadable);
    EXPECT_EQ(json("\x1f\x8b", {{"content-encoding", "gzip"}}), Reason::body_unreadable);
    EXPECT_EQ(json("{\"key\":\"" + kHeld + "\"}", {}, 4), Reason::body_too_large);
    EXPECT_EQ(json(""), Reason::none);
    EXPECT_EQ(json("{\"key\":null}"), Reason::none);
}

TEST_F(BodyRefusalsTest, form_that_is_not_just_the_placeholder_refused) {
    const auto form = [&](const std::string& body) {
        return request({.method = "POST",
                        .fields = {{"content-type", "application/x-www-form-urlencoded"}},
                        .body = body})
            .reason();
    };
    EXPECT_EQ(form("key=" + kHeld), Reason::none);
    EXPECT_EQ(form("key=attackers"), Reason::foreign_credential);
    EXPECT_EQ(form("key=" + kHeld + "&key=" + kHeld), Reason::foreign_credential);
    EXPECT_EQ(form("key=" + kHeld + "&k%65y=x"), Reason::foreign_credential);
    EXPECT_EQ(form("other=" + kHeld), Reason::stray_placeholder);
}

TEST_F(BodyRefusalsTest, other_kinds_of_body_are_streamed) {
    const Outcome outcome = request({.method = "POST",
                                     .fields = {{"content-type", "text/plain"}},
                                     .body = std::string(1000, 'x'),
                                     .piece = 10});
    EXPECT_EQ(outcome.reason(), Reason::none);
    EXPECT_EQ(outcome.use->body_needed(), 0U);
    EXPECT_EQ(outcome.body, std::string(1000, 'x'));
}

}  // namespace
}  // namespace anchorhold::proxy
