// Credentials where they do not belong, and secrets that a server sends back.
#include <gtest/gtest.h>

#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

std::string get(const std::string& target, const std::string& fields = {},
                const std::string& host = "api.example.com") {
    return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n";
}
std::string post(const std::string& body, const std::string& type,
                 const std::string& host = "api.example.com") {
    return "POST /v1/files HTTP/1.1\r\nHost: " + host + "\r\nContent-Type: " + type +
           "\r\nContent-Length: {L}\r\n\r\n" + body;
}

class HostileCredential : public HostileRequest {};

TEST_P(HostileCredential, is_denied_and_nothing_is_put_in) {
    expect_denied(GetParam());
}

constexpr const char* kOpen = "open.example.com";
constexpr const char* kOther = "other.example.com";

const Attack kStray[] = {
    {"other_header", get("/v1/m", "X-Note: {P}\r\n"), "stray_placeholder", 403},
    {"user_agent", get("/v1/m", "User-Agent: curl/{P}\r\n"), "stray_placeholder", 403},
    {"referer", get("/v1/m", "Referer: https://api.example.com/?k={P}\r\n"), "stray_placeholder",
     403},
    {"api_key_header", get("/v1/m", "X-Api-Key: {P}\r\n"), "stray_placeholder", 403},
    {"cookie", get("/v1/m", "Cookie: a={P}\r\n"), "stray_placeholder", 403},
    {"base64_in_a_header", get("/v1/m", "X-Note: {P64}\r\n"), "stray_placeholder", 403},
    {"basic_user", get("/v1/m", "Authorization: Basic {P64}\r\n"), "stray_placeholder", 403},
    {"path", get("/v1/{P}"), "stray_placeholder", 403},
    {"query", get("/v1/m?q={P}"), "stray_placeholder", 403},
    {"json_body", post(R"({"key": "{P}"})", "application/json"), "stray_placeholder", 403},
    {"form_body", post("key={P}&a=b", "application/x-www-form-urlencoded"), "stray_placeholder",
     403},
    {"twice_in_its_header", get("/v1/m", "Authorization: Bearer {P}, {P}\r\n"), "stray_placeholder",
     403},
    {"of_another_host", get("/v1/m", "Authorization: Bearer {Q}\r\n"), "stray_placeholder", 403},
    {"to_a_host_with_another_binding", get("/v1/m", "Authorization: Bearer {P}\r\n", kOther),
     "stray_placeholder", 403, kOther},
    {"to_a_host_without_binding", get("/v1/m", "Authorization: Bearer {P}\r\n", kOpen),
     "stray_placeholder", 403, kOpen},
    {"query_to_a_host_without_binding", get("/v1/m?drop={P}", "", kOpen), "stray_placeholder", 403,
     kOpen},
    {"base64_to_a_host_without_binding", get("/v1/m", "X-Drop: {P64}\r\n", kOpen),
     "stray_placeholder", 403, kOpen},
};
INSTANTIATE_TEST_SUITE_P(Stray, HostileCredential, ::testing::ValuesIn(kStray), attack_name);

const Attack kForeign[] = {
    {"bearer", get("/v1/m", "Authorization: Bearer attackers\r\n"), "foreign_credential", 403},
    {"basic", get("/v1/m", "Authorization: Basic YTpi\r\n"), "foreign_credential", 403},
    {"second_authorization",
     get("/v1/m", "Authorization: Bearer {P}\r\nAuthorization: Bearer attackers\r\n"),
     "foreign_credential", 403},
    {"proxy_authorization", get("/v1/m", "Proxy-Authorization: Basic YTpi\r\n"),
     "foreign_credential", 403},
    {"cookie", get("/v1/m", "Cookie: session=1\r\n"), "foreign_credential", 403},
    {"x_api_key", get("/v1/m", "X-Api-Key: attackers\r\n"), "foreign_credential", 403},
    {"x_auth_token", get("/v1/m", "X-Auth-Token: attackers\r\n"), "foreign_credential", 403},
    {"query_key", get("/v1/m?key=attackers"), "foreign_credential", 403},
    {"query_access_token", get("/v1/m?access_token=attackers"), "foreign_credential", 403},
    {"query_encoded_key", get("/v1/m?%6bey=attackers"), "foreign_credential", 403},
    {"presigned", get("/v1/m?X-Amz-Signature=00"), "signing", 403},
};
INSTANTIATE_TEST_SUITE_P(Foreign, HostileCredential, ::testing::ValuesIn(kForeign), attack_name);

const Attack kMint[] = {
    {"token_endpoint",
     "POST /v1/auth/token/create HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\n\r\n",
     "minting", 403},
    {"login_endpoint",
     "POST /v1/auth/userpass/login/a HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: "
     "0\r\n\r\n",
     "minting", 403},
};
INSTANTIATE_TEST_SUITE_P(Mint, HostileCredential, ::testing::ValuesIn(kMint), attack_name);

TEST_F(HostileGuest, placeholder_in_a_streamed_body_never_arrives_whole) {
    const auto stream = window.open_tls(kOpen);
    const std::string placeholder = window.placeholder("api-key");
    const std::string body = std::string(200000, 'x') + placeholder + std::string(1000, 'y');
    stream->write("POST /v1/files HTTP/1.1\r\nHost: open.example.com\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body);
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 403);
    window.wait_for_denial("stray_placeholder");
    EXPECT_TRUE(upstream.received().empty());
}

TEST_F(HostileGuest, placeholder_over_two_chunks_never_arrives_whole) {
    const auto stream = window.open_tls(kOpen);
    const std::string placeholder = window.placeholder("api-key");
    stream->write(
        "POST /v1/files HTTP/1.1\r\nHost: open.example.com\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream->write("14\r\n" + placeholder.substr(0, 20) + "\r\n");
    stream->write("14\r\n" + placeholder.substr(20) + "\r\n0\r\n\r\n");
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 403);
    window.wait_for_denial("stray_placeholder");
    EXPECT_TRUE(upstream.received().empty());
}

TEST_F(HostileGuest, placeholder_in_a_trailer_never_arrives_whole) {
    const auto stream = window.open_tls(kOpen);
    stream->write(
        filled("POST /v1/files HTTP/1.1\r\nHost: open.example.com\r\nTransfer-Encoding: "
               "chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: {P}\r\n\r\n"));
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 403);
    window.wait_for_denial("stray_placeholder");
    EXPECT_TRUE(upstream.received().empty());
}

TEST_F(HostileGuest, compressed_answers_are_not_asked_for_where_a_secret_is_bound) {
    EXPECT_EQ(window.ask("api.example.com", get("/v1/m", "Accept-Encoding: gzip, br\r\n")).status,
              200);
    ASSERT_EQ(upstream.received().size(), 1U);
    const std::string head = upstream.received()[0].head;
    EXPECT_EQ(head.find("gzip"), std::string::npos) << head;
    EXPECT_NE(head.find("accept-encoding: identity\r\n"), std::string::npos) << head;
}

TEST_F(HostileGuest, a_redirect_is_passed_on_and_never_followed) {
    StandIn elsewhere(greet);
    StandIn redirecting([&](const Received&, ByteStream& stream) {
        return stream.write("HTTP/1.1 302 Found\r\nlocation: https://open.example.com:" +
                            std::to_string(elsewhere.port()) +
                            "/v1/drop\r\ncontent-length: 0\r\n\r\n");
    });
    TestWindow other(
        {.policies = {kHostilePolicy},
         .hosts = {{"api.example.com", redirecting.port()}, {"open.example.com", elsewhere.port()}},
         .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
         .upstream_roots = redirecting.root_pem()});
    const HttpAnswer answer = other.ask("api.example.com", get("/v1/m"));
    EXPECT_EQ(answer.status, 302);
    EXPECT_NE(answer.field("location"), "");
    EXPECT_EQ(redirecting.received().size(), 1U);
    EXPECT_EQ(elsewhere.connections(), 0U);
}

// Sends the key back in every way a careless server does.
class ReflectingUpstream : public HostileGuest {
  protected:
    ReflectingUpstream() : HostileGuest(reflect) {}

    static bool reflect(const Received& request, ByteStream& stream) {
        const std::string key = kApiKey;
        if (request.head.starts_with("GET /v1/body ")) {
            return stream.write(ok_answer("you sent " + key + "."));
        }
        if (request.head.starts_with("GET /v1/head ")) {
            return stream.write(ok_answer("hello", "x-echo: Bearer " + key + "\r\n"));
        }
        if (request.head.starts_with("GET /v1/split ")) {
            stream.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            stream.write("10\r\n" + key.substr(0, 16) + "\r\n");
            stream.write("18\r\n" + key.substr(16) + "\r\n");
            return stream.write("0\r\nx-echo: " + key + "\r\n\r\n");
        }
        stream.write("HTTP/1.1 200 OK\r\n\r\n" + key.substr(0, 9));
        stream.write(key.substr(9));
        return false;
    }
    void expect_scrubbed(const std::string& path) {
        const auto stream = window.open_tls("api.example.com");
        stream->write(get(path, "Connection: close\r\n"));
        const auto all = read_to_end(*stream);
        ASSERT_TRUE(all);
        EXPECT_TRUE(all->starts_with("HTTP/1.1 200 OK")) << *all;
        EXPECT_EQ(all->find(kApiKey), std::string::npos) << *all;
        const auto outcome =
            window.wait_for([](const proto::AuditEvent& event) { return event.has_outcome(); });
        EXPECT_GT(outcome.outcome().scrubbed(), 0U);
        expect_no_secret_on_record();
    }
};

TEST_F(ReflectingUpstream, body_is_scrubbed) {
    expect_scrubbed("/v1/body");
}
TEST_F(ReflectingUpstream, head_is_scrubbed) {
    expect_scrubbed("/v1/head");
}
TEST_F(ReflectingUpstream, chunks_and_trailer_are_scrubbed) {
    expect_scrubbed("/v1/split");
}
TEST_F(ReflectingUpstream, body_until_close_is_scrubbed) {
    expect_scrubbed("/v1/close");
}

}  // namespace
}  // namespace anchorhold::window_test
