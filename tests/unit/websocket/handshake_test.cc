// Opening handshakes, good and bad.
#include "proxy/websocket/handshake.h"

#include <gtest/gtest.h>

#include <functional>

namespace anchorhold::proxy::websocket {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455 §1.3
constexpr std::string_view kAcceptOfKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

RequestHead good_request() {
    RequestHead head;
    head.method = "GET";
    head.protocol = "websocket";
    head.fields = {{"sec-websocket-key", std::string(kKey)},
                   {"sec-websocket-version", "13"},
                   {"sec-websocket-protocol", "chat, superchat"},
                   {"sec-websocket-extensions", "permessage-deflate"}};
    return head;
}

ResponseHead good_answer() {
    return {101, {{"sec-websocket-accept", std::string(kAcceptOfKey)}}};
}

TEST(WebSocketHandshake, good_request_loses_its_extensions) {
    RequestHead head = good_request();
    const auto key = check_request(head, Carrier::http1);
    ASSERT_TRUE(key.has_value());
    EXPECT_EQ(*key, kKey);
    EXPECT_EQ(find_field(head.fields, "sec-websocket-extensions"), nullptr);
    EXPECT_NE(find_field(head.fields, "sec-websocket-protocol"), nullptr);
    EXPECT_EQ(accept_for(kKey), kAcceptOfKey);
    EXPECT_TRUE(check_answer(head, good_answer(), *key, Carrier::http1).has_value());
}

struct BadRequest {
    const char* name;
    std::function<void(RequestHead&)> spoil;
};

class BadRequests : public testing::TestWithParam<BadRequest> {};

TEST_P(BadRequests, request_is_refused) {
    RequestHead head = good_request();
    GetParam().spoil(head);
    EXPECT_FALSE(check_request(head, Carrier::http1).has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadRequests,
    testing::Values(
        BadRequest{"post", [](RequestHead& head) { head.method = "POST"; }},
        BadRequest{"no_key", [](RequestHead& head) { head.fields.erase(head.fields.begin()); }},
        BadRequest{"two_keys", [](RequestHead& head) { head.fields.push_back(head.fields[0]); }},
        BadRequest{"short_key", [](RequestHead& head) { head.fields[0].value = "AAAA"; }},
        BadRequest{"key_with_loose_bits",
                   [](RequestHead& head) { head.fields[0].value[21] = 'B'; }},
        BadRequest{"key_with_other_letters",
                   [](RequestHead& head) { head.fields[0].value[0] = '-'; }},
        BadRequest{"version_8", [](RequestHead& head) { head.fields[1].value = "8"; }},
        BadRequest{"two_versions",
                   [](RequestHead& head) { head.fields.push_back(head.fields[1]); }},
        BadRequest{"accept_in_request",
                   [](RequestHead& head) {
                       head.fields.push_back({"sec-websocket-accept", "x"});
                   }}),
    [](const auto& row) { return row.param.name; });

struct BadAnswer {
    const char* name;
    std::function<void(ResponseHead&)> spoil;
};

class BadAnswers : public testing::TestWithParam<BadAnswer> {};

TEST_P(BadAnswers, answer_is_refused) {
    RequestHead head = good_request();
    const auto key = check_request(head, Carrier::http1);
    ResponseHead answer = good_answer();
    GetParam().spoil(answer);
    EXPECT_FALSE(check_answer(head, answer, *key, Carrier::http1).has_value());
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadAnswers,
    testing::Values(
        BadAnswer{"no_accept", [](ResponseHead& head) { head.fields.clear(); }},
        BadAnswer{"wrong_accept", [](ResponseHead& head) { head.fields[0].value[0] = 'S'; }},
        BadAnswer{"two_accepts", [](ResponseHead& head) { head.fields.push_back(head.fields[0]); }},
        BadAnswer{"extension",
                  [](ResponseHead& head) {
                      head.fields.push_back({"sec-websocket-extensions", "permessage-deflate"});
                  }},
        BadAnswer{"subprotocol_not_offered",
                  [](ResponseHead& head) {
                      head.fields.push_back({"sec-websocket-protocol", "chat, superchat"});
                  }}),
    [](const auto& row) { return row.param.name; });

TEST(WebSocketHandshake, offered_subprotocol_is_accepted) {
    RequestHead head = good_request();
    ResponseHead answer = good_answer();
    answer.fields.push_back({"sec-websocket-protocol", "superchat"});
    EXPECT_TRUE(check_answer(head, answer, kKey, Carrier::http1).has_value());
}

TEST(WebSocketHandshake, http2_needs_no_key) {
    RequestHead head = good_request();
    head.method = "CONNECT";
    EXPECT_TRUE(check_request(head, Carrier::http2).has_value());
    EXPECT_EQ(find_field(head.fields, "sec-websocket-key"), nullptr);
    EXPECT_TRUE(check_answer(head, {200, {}}, {}, Carrier::http2).has_value());
}

}  // namespace
}  // namespace anchorhold::proxy::websocket
