// How streams and connections end: resets, GOAWAY, lost connections, denials.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/http2/relay.h"
#include "relay_rig.h"

namespace anchorhold::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::string_literals;

TEST(Http2RelayEnds, guest_reset_resets_the_upstream_stream) {
    RelayRig rig;
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).ended; }));
    rig.client->reset(id, NGHTTP2_CANCEL);
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).closed; }));
    EXPECT_EQ(rig.server->stream(1).close_code, NGHTTP2_CANCEL);
    EXPECT_EQ(rig.window.live, 0U);
    EXPECT_THAT(rig.window.finished, ElementsAre(HasSubstr("ended early")));
}

TEST(Http2RelayEnds, upstream_reset_reaches_the_guest_with_its_code) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) { rig.server->reset(id, NGHTTP2_ENHANCE_YOUR_CALM); };
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_ENHANCE_YOUR_CALM);
    EXPECT_EQ(rig.window.live, 0U);
}

TEST(Http2RelayEnds, answer_before_the_request_has_ended_is_delivered_whole) {
    RelayRig rig;
    rig.server->on_request = [&](int32_t id) {
        rig.server->respond(id, {{":status", "413"}}, {.bytes = "too big"});
    };
    const int32_t id = rig.client->request(post_head("/"), {.open = true});
    bool reset = false;
    rig.each_turn = [&] {
        if (rig.server->streams().contains(1) && !std::exchange(reset, true)) {
            // RST_STREAM of NO_ERROR right behind the answer (RFC 9113 §8.1).
            rig.server->send_raw("\0\0\4\3\0\0\0\0\1\0\0\0\0"s);
        }
    };
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).body, "too big");
    EXPECT_TRUE(rig.client->stream(id).ended);
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_NO_ERROR);
}

TEST(Http2RelayEnds, without_an_upstream_every_request_is_answered_and_the_connection_stays) {
    RelayRig rig({.no_upstream = "nobody is there"});
    for (int i = 0; i < 3; ++i) {
        const int32_t id = rig.client->request(post_head("/"), {.bytes = "a body"});
        ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
        EXPECT_EQ(rig.client->stream(id).field(":status"), "502");
        EXPECT_TRUE(rig.client->stream(id).ended);
    }
    EXPECT_FALSE(rig.ended.has_value());
    EXPECT_EQ(rig.window.live, 0U);
    EXPECT_TRUE(rig.server->streams().empty());
    EXPECT_TRUE(rig.hang_up());
}

TEST(Http2RelayEnds, upstream_goaway_lets_streams_finish_and_tells_the_guest) {
    RelayRig rig;
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).ended; }));
    nghttp2_submit_goaway(rig.server->session(), NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, nullptr,
                          0);
    ASSERT_TRUE(rig.run_until([&] { return rig.client->goaway; }));
    EXPECT_EQ(rig.client->goaway_code, uint32_t{NGHTTP2_NO_ERROR});
    EXPECT_FALSE(rig.ended.has_value());
    rig.server->respond(1, {{":status", "200"}}, {.bytes = "late"});
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    rig.settle();
    EXPECT_EQ(rig.client->stream(id).body, "late");
    EXPECT_TRUE(rig.client->eof);
    EXPECT_TRUE(rig.ended->has_value());
}

TEST(Http2RelayEnds, streams_upstream_goaway_left_out_are_refused_for_a_retry) {
    RelayRig rig;
    const int32_t first = rig.client->get("/");
    const int32_t second = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(3).ended; }));
    nghttp2_submit_goaway(rig.server->session(), NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, nullptr,
                          0);
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(second).closed; }));
    EXPECT_EQ(rig.client->stream(second).close_code, NGHTTP2_REFUSED_STREAM);
    EXPECT_FALSE(rig.client->stream(first).closed);
}

TEST(Http2RelayEnds, guest_goaway_ends_the_relay_after_its_streams) {
    RelayRig rig;
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).ended; }));
    nghttp2_submit_goaway(rig.client->session(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr,
                          0);
    rig.settle();
    EXPECT_FALSE(rig.ended.has_value());
    rig.server->respond(1, {{":status", "200"}}, {.bytes = "bye"});
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    rig.settle();
    EXPECT_EQ(rig.client->stream(id).body, "bye");
    EXPECT_TRUE(rig.server->eof);
}

TEST(Http2RelayEnds, lost_upstream_answers_what_was_sent_and_refuses_the_rest) {
    RelayRig rig({.server = {.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}}}});
    rig.settle();
    const int32_t sent = rig.client->get("/");
    const int32_t queued = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).ended; }));
    rig.server->close_socket();
    ASSERT_TRUE(rig.run_until([&] { return rig.ended.has_value(); }));
    rig.settle();
    EXPECT_EQ(rig.client->stream(sent).field(":status"), "502");
    EXPECT_EQ(rig.client->stream(queued).close_code, NGHTTP2_REFUSED_STREAM);
    EXPECT_TRUE(rig.client->goaway);
    EXPECT_EQ(rig.window.live, 0U);
}

TEST(Http2RelayEnds, lost_upstream_in_the_middle_of_an_answer_resets_it) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}}, {.bytes = "half", .open = true});
    };
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).body == "half"; }));
    rig.server->close_socket();
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_INTERNAL_ERROR);
    EXPECT_FALSE(rig.client->stream(id).ended);
}

TEST(Http2RelayEnds, lost_guest_resets_every_upstream_stream) {
    RelayRig rig;
    rig.client->get("/");
    rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(3).ended; }));
    EXPECT_TRUE(rig.hang_up());
    rig.settle();
    EXPECT_TRUE(rig.server->stream(1).closed);
    EXPECT_TRUE(rig.server->stream(3).closed);
    EXPECT_TRUE(rig.server->eof);
    EXPECT_EQ(rig.window.live, 0U);
    EXPECT_EQ(rig.window.cut_off, 0U);
}

TEST(Http2RelayEnds, reset_cancels_the_admission_that_waits) {
    RelayRig rig;
    rig.window.hold_admissions = true;
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.window.live == 1; }));
    rig.client->reset(id, NGHTTP2_CANCEL);
    ASSERT_TRUE(rig.run_until([&] { return rig.window.live == 0; }));
    EXPECT_THAT(rig.window.admitted_bodies, IsEmpty());
    EXPECT_EQ(rig.window.cut_off, 0U);
}

TEST(Http2RelayEnds, hang_up_cancels_all_admissions) {
    RelayRig rig;
    rig.window.hold_admissions = true;
    for (int i = 0; i < 50; ++i) {
        rig.client->request(post_head("/"), {.bytes = "body"});
    }
    ASSERT_TRUE(rig.run_until([&] { return rig.window.live == 50; }));
    EXPECT_TRUE(rig.hang_up());
    EXPECT_EQ(rig.window.live, 0U);
}

TEST(Http2RelayEnds, denied_request_is_answered_and_never_sent) {
    RelayRig rig;
    rig.window.denied_path = "/secret";
    const int32_t id = rig.client->request(post_head("/secret"), {.open = true});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "403");
    EXPECT_EQ(rig.client->stream(id).field("content-length"), "16");
    EXPECT_EQ(rig.client->stream(id).body, "not allowed here");
    // The rest of its body is of no use.
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_NO_ERROR);
    EXPECT_THAT(rig.server->streams(), IsEmpty());
}

TEST(Http2RelayEnds, denied_grpc_call_gets_a_status_in_a_trailers_only_answer) {
    RelayRig rig;
    rig.window.denied_path = "/pkg.Service/Method";
    HeaderList head = post_head("/pkg.Service/Method");
    head.emplace_back("content-type", "application/grpc");
    head.emplace_back("te", "trailers");
    const int32_t id = rig.client->request(head, {.bytes = "12345"});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    const Received& answer = rig.client->stream(id);
    EXPECT_EQ(answer.blocks.size(), 1U);
    EXPECT_EQ(answer.body, "");
    EXPECT_EQ(answer.field(":status"), "200");
    EXPECT_EQ(answer.field("grpc-status"), "7");
    EXPECT_EQ(answer.field("grpc-message"), "denied by anchorhold: no_rule: not allowed here");
    EXPECT_EQ(answer.field("content-type"), "application/grpc");
}

TEST(Http2RelayEnds, denial_in_the_body_answers_and_resets_the_upstream) {
    RelayRig rig;
    rig.window.denied_in_body = "PLACEHOLDER";
    const int32_t id = rig.client->request(post_head("/"), {.bytes = "good", .open = true});
    ASSERT_TRUE(rig.run_until([&] { return rig.server->stream(1).body == "good"; }));
    rig.client->append(id, "PLACEHOLDER");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "403");
    EXPECT_EQ(rig.server->stream(1).close_code, NGHTTP2_CANCEL);
    EXPECT_EQ(rig.server->stream(1).body, "good");
}

TEST(Http2RelayEnds, denial_in_the_answer_resets_both_streams) {
    RelayRig rig;
    rig.window.denied_in_body = "SECRET";
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}}, {.bytes = "fine", .open = true});
    };
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).body == "fine"; }));
    rig.server->append(1, "SECRET");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).body, "fine");
    EXPECT_EQ(rig.client->stream(id).close_code, NGHTTP2_INTERNAL_ERROR);
    EXPECT_EQ(rig.server->stream(1).close_code, NGHTTP2_CANCEL);
}

}  // namespace
}  // namespace anchorhold::test
