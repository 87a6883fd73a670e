// Guests and upstreams that break the rules; each test makes one attack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/http2/relay.h"
#include "relay_rig.h"

namespace anchorhold::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::string_literals;

// RFC 9113 §4.1.
std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
    std::string bytes;
    for (const int shift : {16, 8, 0}) {
        bytes.push_back(static_cast<char>(payload.size() >> shift));
    }
    bytes.push_back(static_cast<char>(type));
    bytes.push_back(static_cast<char>(flags));
    for (const int shift : {24, 16, 8, 0}) {
        bytes.push_back(static_cast<char>(stream >> shift));
    }
    return bytes + payload;
}

std::string repeated(const std::string& text, size_t times) {
    std::string all;
    all.reserve(text.size() * times);
    for (size_t i = 0; i < times; ++i) {
        all += text;
    }
    return all;
}

std::string literal(const std::string& name, const std::string& value) {
    return "\0"s + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
}

// ---- heads that are refused with an answer -----------------------------------------------------

struct RefusedHead {
    const char* name;
    HeaderList head;
    std::string status;
};

class RefusedHeads : public testing::TestWithParam<RefusedHead> {};

TEST_P(RefusedHeads, head_is_answered_and_never_sent) {
    RelayRig rig;
    const int32_t id = rig.client->request(GetParam().head, {});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), GetParam().status);
    EXPECT_THAT(rig.server->streams(), IsEmpty());
    EXPECT_EQ(rig.window.finished.size(), 1U);
}

HeaderList with(HeaderList more) {
    HeaderList head = get_head("/");
    head.insert(head.end(), more.begin(), more.end());
    return head;
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedHeads,
    testing::Values(
        RefusedHead{"connect", {{":method", "CONNECT"}, {":authority", "api.test:443"}}, "403"},
        RefusedHead{"host_differs", with({{"host", "evil.test"}}), "421"},
        RefusedHead{
            "scheme",
            {{":method", "GET"}, {":scheme", "http"}, {":authority", "api.test"}, {":path", "/"}},
            "400"},
        RefusedHead{"nul_in_value", with({{"x-a", "a\0b"s}}), "400"},
        RefusedHead{"newline_in_value", with({{"x-a", "a\r\nx-b: c"}}), "400"},
        RefusedHead{"space_in_name", with({{"x a", "b"}}), "400"},
        RefusedHead{"head_too_long",
                    with({{"x-a", std::string(40000, 'a')}, {"x-b", std::string(30000, 'b')}}),
                    "400"}),
    [](const auto& row) { return row.param.name; });

// ---- heads that cost their stream --------------------------------------------------------------

class ResetHeads : public testing::TestWithParam<RefusedHead> {};

TEST_P(ResetHeads, head_resets_its_stream_and_is_recorded) {
    RelayRig rig;
    const int32_t id = rig.client->request(GetParam().head, {});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_PROTOCOL_ERROR);
    EXPECT_FALSE(rig.client->stream(id).has(":status"));
    EXPECT_THAT(rig.server->streams(), IsEmpty());
    EXPECT_EQ(rig.window.violations.size(), 1U);
    // Others on the connection are none the worse.
    echo(*rig.server);
    const int32_t good = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(good).closed; }));
    EXPECT_EQ(rig.client->stream(good).field(":status"), "200");
}

INSTANTIATE_TEST_SUITE_P(
    Table, ResetHeads,
    testing::Values(
        RefusedHead{"connection_field", with({{"connection", "close"}}), ""},
        RefusedHead{"transfer_encoding", with({{"transfer-encoding", "chunked"}}), ""},
        RefusedHead{"two_hosts", with({{"host", "api.test"}, {"host", "api.test"}}), ""},
        RefusedHead{"upgrade", with({{"upgrade", "h2c"}}), ""},
        RefusedHead{"te_other", with({{"te", "gzip"}}), ""},
        RefusedHead{"two_paths", with({{":path", "/b"}}), ""},
        RefusedHead{"pseudo_after_field",
                    {{":method", "GET"},
                     {":scheme", "https"},
                     {"x-a", "b"},
                     {":path", "/"},
                     {":authority", "api.test"}},
                    ""},
        RefusedHead{
            "no_path", {{":method", "GET"}, {":scheme", "https"}, {":authority", "api.test"}}, ""},
        RefusedHead{"no_authority", {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}, ""},
        RefusedHead{"protocol_not_offered",
                    {{":method", "CONNECT"},
                     {":protocol", "websocket"},
                     {":scheme", "https"},
                     {":authority", "api.test"},
                     {":path", "/"}},
                    ""},
        RefusedHead{"length_not_a_number", with({{"content-length", "1x"}}), ""},
        RefusedHead{"two_lengths", with({{"content-length", "1"}, {"content-length", "2"}}), ""}),
    [](const auto& row) { return row.param.name; });

TEST(Http2Hostile, body_longer_than_its_length_is_reset) {
    RelayRig rig;
    HeaderList head = post_head("/");
    head.emplace_back("content-length", "3");
    const int32_t id = rig.client->request(head, {.bytes = "12345"});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_PROTOCOL_ERROR);
    EXPECT_FALSE(rig.server->stream(1).ended);
    EXPECT_EQ(rig.window.violations.size(), 1U);
}

TEST(Http2Hostile, body_shorter_than_its_length_is_reset) {
    RelayRig rig;
    HeaderList head = post_head("/");
    head.emplace_back("content-length", "30");
    const int32_t id = rig.client->request(head, {.bytes = "12345"});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_PROTOCOL_ERROR);
    EXPECT_FALSE(rig.server->stream(1).ended);
}

// ---- bytes that cost the connection ------------------------------------------------------------

struct FatalBytes {
    const char* name;
    std::string bytes;
    uint32_t code;
};

class Fatal : public testing::TestWithParam<FatalBytes> {};

TEST_P(Fatal, bytes_end_the_connection_and_are_recorded) {
    RelayRig rig;
    rig.settle();
    rig.client->send_raw(GetParam().bytes);
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    rig.settle();
    EXPECT_FALSE(rig.ended->has_value());
    EXPECT_THAT(rig.window.violations, Not(IsEmpty()));
    EXPECT_TRUE(rig.client->goaway);
    EXPECT_EQ(rig.client->goaway_code, GetParam().code);
    EXPECT_TRUE(rig.server->eof);
    EXPECT_EQ(rig.window.live, 0U);
}

const std::string kOpenHead = "\x82\x87\x84"s + literal(":authority", "a.b");  // GET https /

INSTANTIATE_TEST_SUITE_P(
    Table, Fatal,
    testing::Values(
        FatalBytes{"settings_flood", repeated(frame(4, 0, 0, ""), 5000), NGHTTP2_ENHANCE_YOUR_CALM},
        FatalBytes{"ping_flood", repeated(frame(6, 0, 0, "12345678"), 5000),
                   NGHTTP2_ENHANCE_YOUR_CALM},
        FatalBytes{"priority_flood", repeated(frame(2, 0, 1, "\0\0\0\0\1"s), 5000),
                   NGHTTP2_ENHANCE_YOUR_CALM},
        FatalBytes{"empty_data", frame(1, 4, 1, kOpenHead) + repeated(frame(0, 0, 1, ""), 5000),
                   NGHTTP2_ENHANCE_YOUR_CALM},
        FatalBytes{"continuation_in_the_open", frame(9, 4, 1, "\x82"), NGHTTP2_PROTOCOL_ERROR},
        FatalBytes{"push_promise", frame(5, 4, 1, "\0\0\0\2\x82"s), NGHTTP2_PROTOCOL_ERROR},
        FatalBytes{"even_stream", frame(1, 5, 2, kOpenHead), NGHTTP2_PROTOCOL_ERROR},
        FatalBytes{"bad_hpack", frame(1, 5, 1, "\xff\xff\xff\xff\xff"), NGHTTP2_COMPRESSION_ERROR},
        FatalBytes{"frame_too_long", frame(0, 0, 1, std::string(16385, 'x')),
                   NGHTTP2_FRAME_SIZE_ERROR},
        FatalBytes{"window_overflow", frame(8, 0, 0, "\x7f\xff\xff\xff"),
                   NGHTTP2_FLOW_CONTROL_ERROR},
        FatalBytes{"settings_with_stream", frame(4, 0, 1, ""), NGHTTP2_PROTOCOL_ERROR}),
    [](const auto& row) { return row.param.name; });

TEST(Http2Hostile, continuation_flood_ends_the_connection) {
    RelayRig rig;
    rig.settle();
    rig.client->send_raw(frame(1, 1, 1, kOpenHead) +
                         repeated(frame(9, 0, 1, literal("x", "y")), 10000));
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    EXPECT_FALSE(rig.ended->has_value());
    EXPECT_THAT(rig.window.violations, Not(IsEmpty()));
    EXPECT_THAT(rig.window.heads, IsEmpty());
}

TEST(Http2Hostile, rapid_resets_end_the_connection) {
    RelayRig rig;
    rig.settle();
    std::string bytes;
    for (uint32_t i = 0; i < 3000; ++i) {
        bytes += frame(1, 5, 2 * i + 1, kOpenHead) + frame(3, 0, 2 * i + 1, "\0\0\0\x8"s);
    }
    rig.client->send_raw(bytes);
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    EXPECT_FALSE(rig.ended->has_value());
    EXPECT_THAT(rig.window.violations, Not(IsEmpty()));
    EXPECT_EQ(rig.window.live, 0U);
}

TEST(Http2Hostile, streams_that_make_us_reset_end_the_connection) {
    RelayRig rig;
    rig.settle();
    std::string bytes;
    for (uint32_t i = 0; i < 6000; ++i) {
        // A window update of nothing is a stream error (RFC 9113 §6.9).
        bytes += frame(1, 4, 2 * i + 1, kOpenHead) + frame(8, 0, 2 * i + 1, "\0\0\0\0"s);
    }
    rig.client->send_raw(bytes);
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    EXPECT_FALSE(rig.ended->has_value());
    EXPECT_EQ(rig.window.live, 0U);
}

TEST(Http2Hostile, unknown_frames_go_nowhere) {
    RelayRig rig;
    rig.settle();
    rig.client->send_raw(repeated(frame(0xbb, 0, 0, "x"), 5000));
    echo(*rig.server);
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "200");
}

TEST(Http2Hostile, guest_that_does_not_read_holds_up_only_itself) {
    RelayRig rig({.socket_buffer = 4096});
    rig.settle();
    rig.client->reading = false;
    for (int i = 0; i < 900; ++i) {
        rig.client->send_raw(frame(6, 0, 0, "12345678"));
    }
    rig.settle();
    EXPECT_FALSE(rig.ended.has_value());
    EXPECT_TRUE(rig.hang_up());
}

TEST(Http2Hostile, not_http2_ends_the_connection) {
    RelayRig rig({.client = {.instead = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"}});
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    EXPECT_FALSE(rig.ended->has_value());
    EXPECT_EQ(rig.window.violations.size(), 1U);
}

// ---- upstreams ---------------------------------------------------------------------------------

TEST(Http2Hostile, upstream_push_ends_its_connection) {
    RelayRig rig;
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).ended; }));
    rig.server->send_raw(frame(5, 4, 1, "\0\0\0\2"s + kOpenHead));
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    rig.settle();
    EXPECT_EQ(rig.client->stream(id).field(":status"), "502");
    EXPECT_THAT(rig.ended->error().message, HasSubstr("upstream"));
    EXPECT_THAT(rig.window.violations, IsEmpty());
}

TEST(Http2Hostile, upstream_flood_ends_its_connection) {
    RelayRig rig;
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).ended; }));
    rig.server->send_raw(repeated(frame(6, 0, 0, "12345678"), 5000));
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    rig.settle();
    EXPECT_EQ(rig.client->stream(id).field(":status"), "502");
}

TEST(Http2Hostile, altsvc_and_origin_frames_go_nowhere) {
    RelayRig rig;
    rig.settle();
    rig.server->send_raw(frame(0x0a, 0, 0, "\0\x8https://ah3=\":443\""s) +
                         frame(0x0c, 0, 0, "\0\x9https://a"s));
    echo(*rig.server);
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "200");
}

TEST(Http2Hostile, upstream_heads_without_end_are_refused) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) {
        HeaderList head = {{":status", "200"}};
        for (int i = 0; i < 3; ++i) {
            head.emplace_back("x-long", std::string(30000, 'x'));
        }
        rig.server->respond(id, head, {});
    };
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "502");
}

TEST(Http2Hostile, interim_answers_without_end_are_bounded) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) {
        for (int i = 0; i < 200; ++i) {
            rig.server->interim(id, {{":status", "102"}});
        }
        rig.server->respond(id, {{":status", "200"}}, {});
    };
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).blocks.size(), 17U);
}

}  // namespace
}  // namespace anchorhold::test
