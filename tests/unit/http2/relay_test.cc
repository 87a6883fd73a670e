// What passes: heads, bodies, interim answers, trailers, many streams, in bounded memory.
#include "proxy/http2/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "relay_rig.h"

namespace anchorhold::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr uint64_t kMiB = uint64_t{1} << 20;

uint64_t heap_in_use() {
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

TEST(Http2Relay, get_request_passes_head_and_answer) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}, {"content-type", "text/plain"}},
                            {.bytes = "hello"});
    };
    const int32_t id = rig.client->get("/path?q=1", {{"x-one", "1"}});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "200");
    EXPECT_EQ(rig.client->stream(id).body, "hello");
    EXPECT_THAT(rig.server->stream(1).blocks,
                ElementsAre(ElementsAre(Pair(":method", "GET"), Pair(":scheme", "https"),
                                        Pair(":authority", "api.test"), Pair(":path", "/path?q=1"),
                                        Pair("x-one", "1"))));
    EXPECT_THAT(rig.window.finished, ElementsAre(""));
    EXPECT_EQ(rig.window.sent, 1U);
    EXPECT_TRUE(rig.hang_up());
    EXPECT_TRUE(rig.ended->has_value());
    EXPECT_EQ(rig.window.live, 0U);
}

TEST(Http2Relay, thousand_streams_at_once_are_all_answered) {
    RelayRig rig({.server = {.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}}}});
    std::vector<int32_t> waiting;
    rig.server->on_end = [&](int32_t id) { waiting.push_back(id); };
    rig.settle();
    for (int i = 0; i < 1000; ++i) {
        rig.client->request(post_head("/" + std::to_string(i)),
                            {.bytes = "body " + std::to_string(i)});
    }
    ASSERT_TRUE(rig.run_until([&] { return waiting.size() == 1000; }));
    EXPECT_EQ(rig.window.live, 1000U);
    for (const int32_t id : waiting) {
        rig.server->respond(id, {{":status", "200"}}, {.bytes = rig.server->stream(id).body});
    }
    ASSERT_TRUE(rig.run_until([&] { return rig.window.live == 0; }));
    for (int i = 0; i < 1000; ++i) {
        const Received& stream = rig.client->stream(2 * i + 1);
        ASSERT_EQ(stream.body, "body " + std::to_string(i));
        ASSERT_TRUE(stream.ended);
    }
}

TEST(Http2Relay, upstream_with_few_streams_is_asked_for_no_more) {
    RelayRig rig({.server = {.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3}}}});
    rig.settle();
    size_t running = 0;
    size_t most = 0;
    std::vector<int32_t> waiting;
    rig.server->on_end = [&](int32_t id) {
        most = std::max(most, ++running);
        waiting.push_back(id);
    };
    rig.each_turn = [&] {
        for (const int32_t id : std::exchange(waiting, {})) {
            --running;
            rig.server->respond(id, {{":status", "204"}}, {});
        }
    };
    for (int i = 0; i < 100; ++i) {
        rig.client->get("/");
    }
    size_t answered = 0;
    ASSERT_TRUE(rig.run_until([&] {
        answered = 0;
        for (const auto& [id, stream] : rig.client->streams()) {
            answered += stream.field(":status") == "204" ? 1 : 0;
        }
        return answered == 100;
    }));
    EXPECT_LE(most, 3U);
}

TEST(Http2Relay, download_with_slow_reader_stays_in_bounded_memory) {
    RelayRig rig({.client = {.keep_bodies = false, .read_slowly = true}});
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}}, {.generate = 64 * kMiB});
    };
    const int32_t id = rig.client->get("/big");
    rig.settle();
    const uint64_t before = heap_in_use();
    uint64_t most = before;
    uint64_t given = 0;
    // Credit in small portions, and only after everything has come to rest.
    while (!rig.client->stream(id).ended) {
        const uint64_t got = rig.client->stream(id).body_bytes;
        nghttp2_session_consume(rig.client->session(), id, got - given);
        given = got;
        rig.settle();
        most = std::max(most, heap_in_use());
        ASSERT_GT(rig.client->stream(id).body_bytes, got);
    }
    EXPECT_EQ(rig.client->stream(id).body_bytes, 64 * kMiB);
    EXPECT_LT(most - before, 2 * kMiB);
    RecordProperty("growth_kib", static_cast<int>((most - before) / 1024));
}

TEST(Http2Relay, upload_with_slow_reader_stays_in_bounded_memory) {
    RelayRig rig({.server = {.keep_bodies = false, .read_slowly = true}});
    HeaderList head = post_head("/up");
    head.emplace_back("content-length", std::to_string(64 * kMiB));
    rig.client->request(head, {.generate = 64 * kMiB});
    rig.settle();
    const uint64_t before = heap_in_use();
    uint64_t most = before;
    uint64_t given = 0;
    while (!rig.server->stream(1).ended) {
        const uint64_t got = rig.server->stream(1).body_bytes;
        nghttp2_session_consume(rig.server->session(), 1, got - given);
        given = got;
        rig.settle();
        most = std::max(most, heap_in_use());
        ASSERT_GT(rig.server->stream(1).body_bytes, got);
    }
    EXPECT_EQ(rig.server->stream(1).body_bytes, 64 * kMiB);
    EXPECT_LT(most - before, 2 * kMiB);
}

TEST(Http2Relay, many_stalled_streams_hold_no_more_than_the_bound) {
    RelayRig rig({.client = {.keep_bodies = false, .read_slowly = true},
                  .server = {.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}}}});
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}}, {.generate = kMiB});
    };
    rig.settle();
    const uint64_t before = heap_in_use();
    for (int i = 0; i < 1000; ++i) {
        rig.client->get("/");
    }
    rig.settle();
    // 8 MiB of queues, 4 MiB of connection window, and what the peers and 1,000 streams cost.
    EXPECT_LT(heap_in_use() - before, 32 * kMiB);
}

TEST(Http2Relay, interim_answers_pass_before_the_final_one) {
    RelayRig rig;
    rig.server->on_request = [&](int32_t id) { rig.server->interim(id, {{":status", "100"}}); };
    rig.server->on_end = [&](int32_t id) {
        rig.server->interim(id, {{":status", "103"}, {"link", "</a.css>"}, {"x-other", "secret"}});
        rig.server->respond(id, {{":status", "200"}}, {.bytes = "ok"});
    };
    HeaderList head = post_head("/");
    head.emplace_back("expect", "100-continue");
    const int32_t id = rig.client->request(head, {.open = true});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).blocks.size() == 1; }));
    rig.client->append(id, "body");
    rig.client->end(id);
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_THAT(rig.client->stream(id).blocks,
                ElementsAre(ElementsAre(Pair(":status", "100")),
                            ElementsAre(Pair(":status", "103"), Pair("link", "</a.css>")),
                            ElementsAre(Pair(":status", "200"))));
    EXPECT_EQ(rig.server->stream(1).body, "body");
    EXPECT_EQ(rig.server->stream(1).field("expect"), "100-continue");
}

TEST(Http2Relay, body_needed_for_admission_is_asked_for_and_sent_first) {
    RelayRig rig;
    rig.window.body_needed = 8;
    rig.window.change_body = [](std::string& body) { body = "[" + body + "]"; };
    echo(*rig.server);
    HeaderList head = post_head("/");
    head.emplace_back("expect", "100-continue");
    head.emplace_back("content-length", "5");
    const int32_t id = rig.client->request(head, {.open = true});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).field(":status") == "100"; }));
    EXPECT_THAT(rig.window.admitted_bodies, IsEmpty());
    rig.client->append(id, "hello");
    rig.client->end(id);
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_THAT(rig.window.admitted_bodies, ElementsAre("hello"));
    EXPECT_THAT(rig.window.whole, ElementsAre(true));
    EXPECT_EQ(rig.client->stream(id).body, "[hello]");
    EXPECT_EQ(rig.server->stream(1).field("content-length"), "7");
    EXPECT_FALSE(rig.server->stream(1).has("expect"));
}

TEST(Http2Relay, longer_body_than_needed_is_admitted_in_part_and_streamed) {
    RelayRig rig;
    rig.window.body_needed = 1000;
    echo(*rig.server);
    const std::string body(300000, 'b');
    const int32_t id = rig.client->request(post_head("/"), {.bytes = body});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    ASSERT_EQ(rig.window.admitted_bodies.size(), 1U);
    EXPECT_GT(rig.window.admitted_bodies[0].size(), 1000U);
    EXPECT_THAT(rig.window.whole, ElementsAre(false));
    EXPECT_EQ(rig.client->stream(id).body, body);
}

TEST(Http2Relay, trailers_pass_without_framing_and_authentication) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(
            id, {{":status", "200"}},
            {.bytes = "x", .trailers = {{"x-sum", "2"}, {"set-cookie", "a=b"}, {"age", "1"}}});
    };
    const int32_t id = rig.client->request(
        post_head("/"),
        {.bytes = "x", .trailers = {{"x-sum", "1"}, {"authorization", "Bearer a"}}});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_THAT(rig.server->stream(1).blocks.back(), ElementsAre(Pair("x-sum", "1")));
    EXPECT_THAT(rig.client->stream(id).blocks.back(), ElementsAre(Pair("x-sum", "2")));
}

TEST(Http2Relay, grpc_call_keeps_te_and_trailers_only_answers) {
    RelayRig rig;
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}, {"grpc-status", "5"}}, {});
    };
    HeaderList head = post_head("/pkg.Service/Method");
    head.emplace_back("content-type", "application/grpc+proto");
    head.emplace_back("te", "trailers");
    const int32_t id = rig.client->request(head, {.bytes = "12345"});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.server->stream(1).field("te"), "trailers");
    EXPECT_EQ(rig.client->stream(id).blocks.size(), 1U);
    EXPECT_EQ(rig.client->stream(id).field("grpc-status"), "5");
}

TEST(Http2Relay, bidirectional_stream_passes_pieces_as_they_come) {
    RelayRig rig;
    rig.server->on_request = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}}, {.open = true});
    };
    const int32_t id = rig.client->request(post_head("/chat"), {.open = true});
    for (size_t i = 1; i <= 20; ++i) {
        rig.client->append(id, "ping");
        ASSERT_TRUE(
            rig.run_until([&] { return rig.server->stream(1).body.size() == size_t{4} * i; }));
        rig.server->append(1, "pong!");
        ASSERT_TRUE(
            rig.run_until([&] { return rig.client->stream(id).body.size() == size_t{5} * i; }));
    }
    rig.server->end(1, {{"grpc-status", "0"}});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).ended; }));
    rig.client->end(id);
    ASSERT_TRUE(rig.run_until([&] { return rig.window.live == 0; }));
    EXPECT_THAT(rig.window.finished, ElementsAre(""));
}

TEST(Http2Relay, secret_fields_are_never_indexed) {
    RelayRig rig;
    rig.window.add = {{"x-api-key", "real", true}, {"x-plain", "plain", false}};
    echo(*rig.server);
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.server->stream(1).flags_of("x-api-key"), NGHTTP2_NV_FLAG_NO_INDEX);
    EXPECT_EQ(rig.server->stream(1).flags_of("x-plain"), NGHTTP2_NV_FLAG_NONE);
}

TEST(Http2Relay, cookie_crumbs_are_joined) {
    RelayRig rig;
    echo(*rig.server);
    const int32_t id = rig.client->get("/", {{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}});
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(proxy::find_field(rig.window.heads[0].fields, "cookie")->value, "a=1; b=2");
    EXPECT_EQ(rig.server->stream(1).field("cookie"), "a=1; b=2");
}

TEST(Http2Relay, captured_answer_is_held_until_it_is_whole) {
    RelayRig rig;
    rig.window.answer_needed = 100;
    rig.window.answer_rest = "!";
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}, {"content-length", "10"}},
                            {.bytes = "01234", .open = true});
    };
    const int32_t id = rig.client->get("/token");
    rig.settle();
    EXPECT_THAT(rig.client->stream(id).blocks, IsEmpty());
    rig.server->append(1, "56789");
    rig.server->end(1);
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).body, "0123456789!");
    EXPECT_EQ(rig.client->stream(id).field("content-length"), "11");
}

TEST(Http2Relay, captured_answer_that_is_too_long_is_refused) {
    RelayRig rig;
    rig.window.answer_needed = 100;
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(id, {{":status", "200"}},
                            {.bytes = std::string(101, 'x'), .open = true});
    };
    const int32_t id = rig.client->get("/token");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_EQ(rig.client->stream(id).field(":status"), "403");
    EXPECT_EQ(rig.server->stream(1).close_code, NGHTTP2_CANCEL);
}

TEST(Http2Relay, changing_answer_loses_its_length_and_alt_svc_goes) {
    RelayRig rig;
    rig.window.answer_may_change = true;
    rig.server->on_end = [&](int32_t id) {
        rig.server->respond(
            id, {{":status", "200"}, {"content-length", "2"}, {"alt-svc", "h3=\":443\""}},
            {.bytes = "ok"});
    };
    const int32_t id = rig.client->get("/");
    ASSERT_TRUE(rig.run_until([&] { return rig.client->stream(id).closed; }));
    EXPECT_FALSE(rig.client->stream(id).has("content-length"));
    EXPECT_FALSE(rig.client->stream(id).has("alt-svc"));
}

// A client and a server that speak to one another without a relay.
struct PeerPair {
    PeerPair() {
        auto pair = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
        client = std::make_unique<H2Peer>(H2Peer::Role::client, std::move(pair->first));
        server = std::make_unique<H2Peer>(H2Peer::Role::server, std::move(pair->second));
        echo(*server);
        client->get("/");
        for (int turn = 0; turn < 10; ++turn) {
            client->step();
            server->step();
        }
    }
    std::unique_ptr<H2Peer> client;
    std::unique_ptr<H2Peer> server;
};

TEST(Http2Relay, idle_pair_costs_little_memory) {
    constexpr size_t kPairs = 20;
    uint64_t before = heap_in_use();
    std::vector<std::unique_ptr<PeerPair>> pairs;
    for (size_t i = 0; i < kPairs; ++i) {
        pairs.push_back(std::make_unique<PeerPair>());
    }
    const uint64_t peers = (heap_in_use() - before) / kPairs;
    before = heap_in_use();
    std::vector<std::unique_ptr<RelayRig>> rigs;
    for (size_t i = 0; i < kPairs; ++i) {
        rigs.push_back(std::make_unique<RelayRig>());
        echo(*rigs.back()->server);
        rigs.back()->client->get("/");
        rigs.back()->settle();
    }
    const uint64_t each = (heap_in_use() - before) / kPairs - peers;
    RecordProperty("bytes", static_cast<int>(each));
    // Not counted: a page of each session's frame buffer, which is a mapping.
    EXPECT_LT(each, 32 * 1024U);
}

}  // namespace
}  // namespace anchorhold::test
