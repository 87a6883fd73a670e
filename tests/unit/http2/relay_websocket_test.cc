// WebSocket over HTTP/2 (RFC 8441): offered when the upstream offers it, its frames read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/http2/relay.h"
#include "proxy/websocket/frame.h"
#include "relay_rig.h"

namespace anchorhold::test {
namespace {

using proxy::websocket::Mask;
using proxy::websocket::Opcode;
using proxy::websocket::Sender;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kSetting = NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL;

HeaderList connect_head() {
    return {{":method", "CONNECT"},
            {":protocol", "websocket"},
            {":scheme", "https"},
            {":authority", "api.test"},
            {":path", "/ws"},
            {"sec-websocket-version", "13"},
            {"sec-websocket-extensions", "permessage-deflate"}};
}

std::string client_frame(std::string payload) {
    std::string bytes;
    const Mask mask{5, 6, 7, 8};
    append_head(bytes, Opcode::text, true, payload.size(), Sender::client, mask);
    proxy::websocket::apply_mask(payload, 0, mask, 0);
    return bytes + payload;
}

std::string server_frame(const std::string& payload) {
    std::string bytes;
    append_head(bytes, Opcode::text, true, payload.size(), Sender::server, {});
    return bytes + payload;
}

class Http2WebSocket : public testing::Test {
  protected:
    RelayRig rig_{{.server = {.settings = {{kSetting, 1}}}}};

    int32_t open() {
        rig_.settle();
        rig_.server->on_request = [this](int32_t id) {
            rig_.server->respond(id, {{":status", "200"}}, {.open = true});
        };
        const int32_t id = rig_.client->request(connect_head(), {.open = true});
        EXPECT_TRUE(
            rig_.run_until([&] { return rig_.client->stream(id).field(":status") == "200"; }));
        return id;
    }
};

TEST_F(Http2WebSocket, messages_pass_both_ways_through_the_filters) {
    rig_.window.to_upstream.replace = {"PLACEHOLDER", "real"};
    const int32_t id = open();
    EXPECT_EQ(rig_.client->settings[kSetting], 1U);
    EXPECT_EQ(rig_.server->stream(1).field(":protocol"), "websocket");
    EXPECT_EQ(rig_.server->stream(1).field(":method"), "CONNECT");
    EXPECT_FALSE(rig_.server->stream(1).has("sec-websocket-extensions"));
    EXPECT_EQ(rig_.window.heads[0].method, "GET");
    EXPECT_EQ(rig_.window.heads[0].protocol, "websocket");
    rig_.client->append(id, client_frame("key PLACEHOLDER"));
    ASSERT_TRUE(rig_.run_until([&] { return !rig_.server->stream(1).body.empty(); }));
    EXPECT_EQ(rig_.server->stream(1).body.size(), 2 + 4 + std::string("key real").size());
    rig_.server->append(1, server_frame("answer"));
    ASSERT_TRUE(rig_.run_until([&] { return !rig_.client->stream(id).body.empty(); }));
    EXPECT_EQ(rig_.client->stream(id).body, server_frame("answer"));
    EXPECT_THAT(rig_.window.to_guest.messages, ElementsAre("answer", ""));
    rig_.client->end(id);
    rig_.server->end(1);
    ASSERT_TRUE(rig_.run_until([&] { return rig_.window.live == 0; }));
    EXPECT_THAT(rig_.window.finished, ElementsAre(""));
}

TEST_F(Http2WebSocket, breach_closes_both_sides) {
    const int32_t id = open();
    rig_.client->append(id, server_frame("not masked"));
    ASSERT_TRUE(rig_.run_until([&] { return rig_.client->stream(id).closed; }));
    EXPECT_THAT(rig_.client->stream(id).body, HasSubstr("\x03\xea"));
    EXPECT_TRUE(rig_.run_until([&] { return rig_.server->stream(1).closed; }));
    EXPECT_EQ(rig_.window.live, 0U);
}

TEST_F(Http2WebSocket, frames_sent_before_the_answer_are_read_too) {
    rig_.settle();
    const int32_t id =
        rig_.client->request(connect_head(), {.bytes = client_frame("early"), .open = true});
    rig_.settle();
    EXPECT_EQ(rig_.server->stream(1).body, "");
    rig_.server->respond(1, {{":status", "200"}}, {.open = true});
    ASSERT_TRUE(rig_.run_until([&] { return !rig_.server->stream(1).body.empty(); }));
    EXPECT_THAT(rig_.window.to_upstream.messages, ElementsAre("early", ""));
    rig_.client->reset(id, NGHTTP2_CANCEL);
    ASSERT_TRUE(rig_.run_until([&] { return rig_.server->stream(1).closed; }));
}

TEST_F(Http2WebSocket, other_protocols_are_refused) {
    rig_.settle();
    HeaderList head = connect_head();
    head[1].second = "connect-udp";
    const int32_t id = rig_.client->request(head, {.open = true});
    ASSERT_TRUE(rig_.run_until([&] { return rig_.client->stream(id).closed; }));
    EXPECT_EQ(rig_.client->stream(id).field(":status"), "403");
    EXPECT_TRUE(rig_.server->streams().empty());
}

TEST_F(Http2WebSocket, refusal_by_the_upstream_passes) {
    rig_.settle();
    rig_.server->on_request = [this](int32_t id) {
        rig_.server->respond(id, {{":status", "404"}}, {.bytes = "none here"});
    };
    const int32_t id = rig_.client->request(connect_head(), {.open = true});
    ASSERT_TRUE(rig_.run_until([&] { return rig_.client->stream(id).ended; }));
    EXPECT_EQ(rig_.client->stream(id).body, "none here");
}

}  // namespace
}  // namespace anchorhold::test
