// What a guest may write into the blocks and bodies of an HTTP/2 connection, one stream at a time:
// each stream is judged by itself, and the next one is none the worse.
#include <gtest/gtest.h>

#include "window/h2_ends.h"
#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

using namespace std::string_literals;

constexpr const char* kPolicy = R"(
version: 1
kind: grant
name: hostile
allow:
  - hosts: [api.example.com, json.example.com, open.example.com]
    methods: [GET, POST]
    paths: ["/v1/**"]
    private_ranges: [127.0.0.0/8]
credentials:
  - secret: api-key
    host: api.example.com
    kind: bearer
    variable: API_KEY
  - secret: other-key
    host: json.example.com
    kind: json
    pointer: /token
    variable: OTHER_KEY
)";

constexpr const char* kApi = "api.example.com";

// One request with these fields behind the pseudo fields of an ordinary one.
Block get(Block more = {}, const std::string& path = "/v1/models") {
    Block block = {{":method", "GET"}, {":scheme", "https"}, {":authority", kApi}, {":path", path}};
    block.insert(block.end(), more.begin(), more.end());
    return block;
}
Block post(const std::string& host, Block more = {}) {
    Block block = {
        {":method", "POST"}, {":scheme", "https"}, {":authority", host}, {":path", "/v1/files"}};
    block.insert(block.end(), more.begin(), more.end());
    return block;
}
// An ordinary request with one pseudo field another; an empty value: without it.
Block get_with(const std::string& name, const std::string& value) {
    Block block = get();
    std::erase_if(block, [&](auto& field) {
        if (field.first == name) {
            field.second = value;
        }
        return field.second.empty();
    });
    return block;
}

class Http2Guest : public ::testing::Test {
  protected:
    explicit Http2Guest(H2Upstream::Handler handler = answer_hello)
        : upstream(std::move(handler)),
          window({.policies = {kPolicy},
                  .hosts = {{kApi, upstream.stand_in().port()},
                            {"json.example.com", upstream.stand_in().port()},
                            {"open.example.com", upstream.stand_in().port()}},
                  .secrets = {{"api-key", kApiKey}, {"other-key", kOtherKey}},
                  .upstream_roots = upstream.stand_in().root_pem()}) {}

    static H2Upstream::Answer answer_hello(const H2Message&) { return {}; }
    void connect(const std::string& host) {
        stream = window.open(host, 443);
        ASSERT_EQ(stream->start_tls(host, window.root_pem(), {"h2"}), "");
        ASSERT_EQ(stream->alpn(), "h2");
        guest.emplace(H2End::Role::client, *stream);
    }
    void expect_next_is_answered(const std::string& host) {
        Block block = get();
        block[2].second = host;
        const H2Message answer = guest->answer(guest->request(block));
        EXPECT_EQ(answer.status(), 200) << answer.closed << " " << answer.reset_code;
        ASSERT_EQ(upstream.received().size(), 1U);
        EXPECT_EQ(upstream.received()[0].field(":path"), "/v1/models");
    }
    std::string log_text() { return window.log_text(); }

    H2Upstream upstream;
    TestWindow window;
    std::unique_ptr<GuestStream> stream;
    std::optional<H2End> guest;
};

struct HeadAttack {
    const char* name;
    Block head;
    const char* reason;
    int status = 400;  // 0: the stream is reset
};
void PrintTo(const HeadAttack& attack, std::ostream* out) {
    *out << attack.name;
}

class HostileHead : public Http2Guest, public ::testing::WithParamInterface<HeadAttack> {};

TEST_P(HostileHead, is_denied_and_the_next_stream_is_answered) {
    connect(kApi);
    Block head = GetParam().head;
    for (auto& [name, value] : head) {
        if (value == "{P}") {
            value = window.placeholder("api-key");
        }
    }
    const H2Message answer = guest->answer(guest->request(head));
    EXPECT_TRUE(answer.closed);
    EXPECT_EQ(answer.status(), GetParam().status) << answer.body;
    window.wait_for_denial(GetParam().reason);
    expect_next_is_answered(kApi);
}

const HeadAttack kAuthorities[] = {
    {"other_name", get_with(":authority", "evil.example.com"), "host_mismatch", 421},
    {"other_granted_name", get_with(":authority", "open.example.com"), "host_mismatch", 421},
    {"other_port", get_with(":authority", "api.example.com:8443"), "host_mismatch", 421},
    {"address", get_with(":authority", "127.0.0.1"), "host_mismatch", 421},
    {"metadata", get_with(":authority", "169.254.169.254"), "host_mismatch", 421},
    {"user_information", get_with(":authority", "user@api.example.com"), "bad_name"},
    {"list", get_with(":authority", "api.example.com,evil.example.com"), "bad_name"},
    {"none_at_all", get_with(":authority", ""), "malformed", 0},
    {"host_that_differs", get({{"host", "evil.example.com"}}), "host_mismatch", 421},
    {"host_alone_of_another",
     [] {
         Block block = get_with(":authority", "");
         block.emplace_back("host", "evil.example.com");
         return block;
     }(),
     "host_mismatch", 421},
    {"twice", get({{":authority", "evil.example.com"}}), "malformed", 0},
    {"two_hosts", get({{"host", kApi}, {"host", "evil.example.com"}}), "malformed", 0},
};
INSTANTIATE_TEST_SUITE_P(Authority, HostileHead, ::testing::ValuesIn(kAuthorities),
                         [](const auto& each) { return std::string(each.param.name); });

const HeadAttack kPseudo[] = {
    {"scheme_http", get_with(":scheme", "http"), "malformed"},
    {"scheme_file", get_with(":scheme", "file"), "malformed"},
    {"no_scheme", get_with(":scheme", ""), "malformed", 0},
    {"no_method", get_with(":method", ""), "malformed", 0},
    {"no_path", get_with(":path", ""), "malformed", 0},
    {"second_path", get({{":path", "/admin"}}), "malformed", 0},
    {"second_method", get({{":method", "DELETE"}}), "malformed", 0},
    {"pseudo_behind_a_field", get({{"x-a", "b"}, {":path", "/admin"}}), "malformed", 0},
    {"unknown_pseudo", get({{":forged", "x"}}), "malformed", 0},
    {"status_in_a_request", get({{":status", "200"}}), "malformed", 0},
    {"connect",
     {{":method", "CONNECT"}, {":authority", "api.example.com:443"}},
     "connect_refused",
     403},
    {"connect_elsewhere",
     {{":method", "CONNECT"}, {":authority", "10.0.0.1:22"}},
     "connect_refused",
     403},
    {"connection_field", get({{"connection", "close"}}), "malformed", 0},
    {"transfer_encoding", get({{"transfer-encoding", "chunked"}}), "malformed", 0},
    {"upgrade", get({{"upgrade", "h2c"}}), "malformed", 0},
    {"te_of_something", get({{"te", "gzip"}}), "malformed", 0},
    {"two_lengths", post(kApi, {{"content-length", "1"}, {"content-length", "2"}}), "malformed", 0},
    {"line_end_in_a_value", get({{"x-a", "b\r\nx-c: d"}}), "malformed"},
    {"nul_in_a_value", get({{"x-a", "b\0c"s}}), "malformed"},
};
INSTANTIATE_TEST_SUITE_P(Pseudo, HostileHead, ::testing::ValuesIn(kPseudo),
                         [](const auto& each) { return std::string(each.param.name); });

const HeadAttack kRequests[] = {
    {"path_outside", get({}, "/admin"), "no_rule", 403},
    {"dot_segments", get({}, "/v1/../admin"), "bad_target"},
    {"absolute_path", get({}, "https://evil.example.com/v1/models"), "malformed", 0},
    {"method_not_granted", get_with(":method", "DELETE"), "no_rule", 403},
    {"method_override", get({{"x-http-method-override", "DELETE"}}), "method_override", 403},
    {"foreign_authorization", get({{"authorization", "Bearer attackers"}}), "foreign_credential",
     403},
    {"foreign_cookie_in_crumbs", get({{"cookie", "a=b"}, {"cookie", "c=d"}}), "foreign_credential",
     403},
    {"placeholder_elsewhere", get({{"x-note", "{P}"}}), "stray_placeholder", 403},
    {"placeholder_in_a_cookie_crumb", get({{"cookie", "a=b"}, {"cookie", "{P}"}}),
     "stray_placeholder", 403},
};
INSTANTIATE_TEST_SUITE_P(Request, HostileHead, ::testing::ValuesIn(kRequests),
                         [](const auto& each) { return std::string(each.param.name); });

// RFC 8441: known for websocket alone, and for the connection's own name.
TEST_F(Http2Guest, extended_connect_to_elsewhere_or_for_something_else_reaches_nobody) {
    connect(kApi);
    for (const auto& [protocol, authority] :
         {std::pair{"connect-udp", kApi}, std::pair{"websocket", "evil.example.com"}}) {
        const H2Message answer = guest->answer(guest->request({{":method", "CONNECT"},
                                                               {":protocol", protocol},
                                                               {":scheme", "https"},
                                                               {":authority", authority},
                                                               {":path", "/v1/socket"}}));
        EXPECT_TRUE(answer.status() == 0 || answer.status() >= 400) << answer.status();
    }
    window.wait_for([](const proto::AuditEvent& event) {
        return event.has_decision() && event.decision().verdict() == proto::RequestDecided::DENY;
    });
    EXPECT_TRUE(upstream.received().empty());
}

TEST_F(Http2Guest, allowed_and_denied_streams_of_one_connection_are_told_apart) {
    connect(kApi);
    std::vector<int32_t> good;
    std::vector<int32_t> bad;
    for (int i = 0; i < 10; ++i) {
        good.push_back(guest->request(get()));
        bad.push_back(guest->request(get_with(":authority", "open.example.com")));
    }
    for (const int32_t id : good) {
        EXPECT_EQ(guest->answer(id).status(), 200);
    }
    for (const int32_t id : bad) {
        EXPECT_EQ(guest->answer(id).status(), 421);
    }
    EXPECT_EQ(upstream.received().size(), good.size());
}

TEST_F(Http2Guest, credential_is_put_into_its_own_streams_alone) {
    connect(kApi);
    EXPECT_EQ(guest->answer(guest->request(get())).status(), 200);
    ASSERT_EQ(upstream.received().size(), 1U);
    EXPECT_EQ(upstream.received()[0].field("authorization"), "Bearer "s + kApiKey);
    EXPECT_EQ(log_text().find(kApiKey), std::string::npos);
}

// ---- bodies ------------------------------------------------------------------------------------

TEST_F(Http2Guest, placeholder_over_two_data_frames_never_arrives_whole) {
    connect("open.example.com");
    // Frames carry 16 KiB at most.
    const std::string body =
        std::string(16384 - 10, 'x') + window.placeholder("api-key") + std::string(5000, 'y');
    const H2Message answer = guest->answer(guest->request(post("open.example.com"), body));
    EXPECT_NE(answer.status(), 200);
    window.wait_for_denial("stray_placeholder");
    expect_next_is_answered("open.example.com");
}

TEST_F(Http2Guest, placeholder_in_a_trailer_never_arrives_whole) {
    connect("open.example.com");
    const H2Message answer = guest->answer(guest->request(
        post("open.example.com"), "hello", {{"x-sum", window.placeholder("api-key")}}));
    EXPECT_NE(answer.status(), 200);
    window.wait_for_denial("stray_placeholder");
    expect_next_is_answered("open.example.com");
}

TEST_F(Http2Guest, json_body_in_data_frames_gets_its_secret) {
    connect("json.example.com");
    const std::string body = R"({"token": ")" + window.placeholder("other-key") + R"(", "a": ")" +
                             std::string(20000, 'x') + R"("})";
    const H2Message answer = guest->answer(
        guest->request(post("json.example.com", {{"content-type", "application/json"}}), body));
    EXPECT_EQ(answer.status(), 200) << answer.body;
    ASSERT_EQ(upstream.received().size(), 1U);
    EXPECT_NE(upstream.received()[0].body.find(kOtherKey), std::string::npos);
    EXPECT_EQ(log_text().find(kOtherKey), std::string::npos);
}

// What cannot be read gets no secret, and does not go out as if it had.
TEST_F(Http2Guest, compressed_body_does_not_skip_substitution) {
    connect("json.example.com");
    const H2Message answer =
        guest->answer(guest->request(post("json.example.com", {{"content-type", "application/json"},
                                                               {"content-encoding", "gzip"}}),
                                     "\x1f\x8b\x08\0\0\0\0\0\0\x03"s + R"({"token": ")" +
                                         window.placeholder("other-key") + R"("})"));
    EXPECT_EQ(answer.status(), 400) << answer.body;
    window.wait_for_denial("body_unreadable");
    expect_next_is_answered("json.example.com");
}

TEST_F(Http2Guest, body_longer_than_its_length_never_arrives_whole) {
    connect(kApi);
    const H2Message answer =
        guest->answer(guest->request(post(kApi, {{"content-length", "3"}}), "hello"));
    EXPECT_NE(answer.status(), 200);
    window.wait_for_denial("malformed");
    expect_next_is_answered(kApi);
}

// ---- answers -----------------------------------------------------------------------------------

class ReflectingHttp2 : public Http2Guest {
  protected:
    ReflectingHttp2() : Http2Guest(reflect) {}
    static H2Upstream::Answer reflect(const H2Message& request) {
        const std::string key = kApiKey;
        if (request.field(":path") == "/v1/head") {
            return {.fields = {{"x-echo", "Bearer " + key}}};
        }
        if (request.field(":path") == "/v1/trailer") {
            return {.trailers = {{"x-echo", key}}};
        }
        if (request.field(":path") == "/v1/compressed") {
            return {.fields = {{"content-encoding", "gzip"}}, .body = "\x1f\x8b\x08 not gzip"};
        }
        return {.body = std::string(16384 - 10, 'x') + key + "."};
    }
};

TEST_F(ReflectingHttp2, secret_in_head_body_and_trailer_is_scrubbed) {
    connect(kApi);
    for (const char* path : {"/v1/head", "/v1/body", "/v1/trailer"}) {
        const H2Message answer = guest->answer(guest->request(get({}, path)));
        EXPECT_EQ(answer.status(), 200) << path;
        std::string all = answer.body;
        for (const Block* block : {&answer.head, &answer.trailers}) {
            for (const auto& [name, value] : *block) {
                all += name + ": " + value + "\n";
            }
        }
        EXPECT_EQ(all.find(kApiKey), std::string::npos) << path;
        EXPECT_GT(all.size(), 20U) << path;
    }
    for (const H2Message& request : upstream.received()) {
        EXPECT_EQ(request.field("accept-encoding"), "identity");
    }
}

}  // namespace
}  // namespace anchorhold::window_test
