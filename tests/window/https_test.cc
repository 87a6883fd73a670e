// The ordinary path: HTTPS in, a decision, a credential, HTTPS out, a record.
#include <gtest/gtest.h>

#include "window/fixture.h"

namespace anchorhold::window_test {
namespace {

constexpr const char* kGrant = R"(
version: 1
kind: grant
name: api
allow:
  - host: api.example.com
    methods: [GET, POST]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
)";

constexpr const char* kSecret = "sk-live-9f8e7d6c5b4a39281706f5e4d3c2b1a0";

bool greet(const Received&, ByteStream& stream) {
    return stream.write(ok_answer("hello"));
}

class Https : public ::testing::Test {
  protected:
    StandIn upstream{greet};
    TestWindow window{{.policies = {kGrant},
                       .hosts = {{"api.example.com", upstream.port()}},
                       .secrets = {{"api-key", kSecret}},
                       .upstream_roots = upstream.root_pem(),
                       .answer = {}}};
};

TEST_F(Https, allowed_request_is_answered_with_the_credential_put_in) {
    const HttpAnswer answer =
        window.ask("api.example.com", "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello");
    ASSERT_EQ(upstream.received().size(), 1U);
    EXPECT_NE(upstream.received()[0].head.find(std::string("authorization: Bearer ") + kSecret),
              std::string::npos)
        << upstream.received()[0].head;
    const auto outcome =
        window.wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
    EXPECT_EQ(outcome.outcome().status(), 200U);
    EXPECT_EQ(outcome.outcome().bytes_in(), 5U);
    EXPECT_EQ(window.log_text().find(kSecret), std::string::npos);
}

TEST_F(Https, path_outside_the_grant_is_denied_with_an_answer_and_an_event) {
    const HttpAnswer answer =
        window.ask("api.example.com", "GET /admin HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    EXPECT_EQ(answer.status, 403);
    EXPECT_NE(answer.body.find("no_rule"), std::string::npos) << answer.body;
    window.wait_for_denial("no_rule");
    EXPECT_TRUE(upstream.received().empty());
}

TEST_F(Https, host_outside_the_policy_is_answered_and_never_dialled) {
    const HttpAnswer answer =
        window.ask("other.example.com", "GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n");
    EXPECT_EQ(answer.status, 403);
    window.wait_for_denial("no_rule");
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(Https, two_requests_use_one_connection_each_way) {
    const auto stream = window.open_tls("api.example.com");
    std::string buffer;
    for (int i = 0; i < 2; ++i) {
        stream->write("GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
        EXPECT_EQ(read_answer(*stream, buffer).status, 200);
    }
    EXPECT_EQ(upstream.connections(), 1U);
}

TEST_F(Https, body_reaches_the_upstream_whole) {
    const std::string body(300000, 'b');
    const HttpAnswer answer = window.ask(
        "api.example.com", "POST /v1/files HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: " +
                               std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(answer.status, 200);
    ASSERT_EQ(upstream.received().size(), 1U);
    EXPECT_EQ(upstream.received()[0].body, body);
}

TEST_F(Https, foreign_credential_is_denied_by_its_own_reason) {
    const HttpAnswer answer =
        window.ask("api.example.com",
                   "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer "
                   "sk-of-somebody-else\r\n\r\n");
    EXPECT_EQ(answer.status, 403);
    window.wait_for_denial("foreign_credential");
    EXPECT_TRUE(upstream.received().empty());
}

}  // namespace
}  // namespace anchorhold::window_test
