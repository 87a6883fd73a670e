// One direction, as tables of raw bytes.
#include "proxy/websocket/frame_pipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_gates.h"

namespace anchorhold::proxy::websocket {
namespace {

using testing::ElementsAre;
using namespace std::string_literals;

constexpr uint64_t kLimit = 1 << 20;

std::string client_frame(uint8_t first, std::string payload) {
    std::string bytes(1, static_cast<char>(first));
    const Mask mask{1, 2, 3, 4};
    std::string head;
    append_head(head, Opcode::text, true, payload.size(), Sender::client, mask);
    apply_mask(payload, 0, mask, 0);
    return bytes + head.substr(1) + payload;
}

std::string server_frame(uint8_t first, const std::string& payload) {
    std::string head;
    append_head(head, Opcode::text, true, payload.size(), Sender::server, {});
    return std::string(1, static_cast<char>(first)) + head.substr(1) + payload;
}

// What comes out, unmasked: "first byte, payload" of each frame.
std::vector<std::string> frames_of(std::string bytes, Sender sender) {
    std::vector<std::string> frames;
    while (!bytes.empty()) {
        const HeadResult result = read_head(bytes, sender);
        EXPECT_EQ(result.kind, HeadResult::Kind::head);
        std::string payload = bytes.substr(result.head.size, result.head.length);
        apply_mask(payload, 0, result.head.mask, 0);
        frames.push_back(bytes.substr(0, 1) + payload);
        bytes.erase(0, result.head.size + result.head.length);
    }
    return frames;
}

struct Outcome {
    fakes::FakeFilter filter;
    std::string out;
    std::optional<Failure> failure;
    bool closed = false;
};

Outcome run(Sender sender, const std::string& bytes, size_t step, fakes::FakeFilter filter = {}) {
    Outcome result;
    result.filter = std::move(filter);
    FramePipe pipe(sender, result.filter, kLimit);
    for (size_t at = 0; at < bytes.size() && !result.failure; at += step) {
        result.failure = pipe.take(bytes.substr(at, step), result.out);
    }
    result.closed = pipe.closed();
    return result;
}

struct Broken {
    const char* name;
    Sender sender;
    std::string bytes;
    CloseCode code;
};

class BrokenFrames : public testing::TestWithParam<Broken> {};

TEST_P(BrokenFrames, bytes_are_refused_however_they_are_cut) {
    for (const size_t step : {size_t{1}, size_t{3}, GetParam().bytes.size()}) {
        const Outcome result = run(GetParam().sender, GetParam().bytes, step);
        ASSERT_TRUE(result.failure.has_value());
        EXPECT_EQ(result.failure->code, GetParam().code);
        EXPECT_FALSE(result.failure->denied.has_value());
    }
}

constexpr Sender kClient = Sender::client;
constexpr Sender kServer = Sender::server;
constexpr CloseCode kProtocol = CloseCode::protocol_error;

INSTANTIATE_TEST_SUITE_P(
    Table, BrokenFrames,
    testing::Values(
        Broken{"client_unmasked", kClient, server_frame(0x81, "a"), kProtocol},
        Broken{"server_masked", kServer, client_frame(0x81, "a"), kProtocol},
        Broken{"rsv1", kClient, client_frame(0xc1, "a"), kProtocol},
        Broken{"rsv2", kClient, client_frame(0xa1, "a"), kProtocol},
        Broken{"rsv3", kServer, server_frame(0x91, "a"), kProtocol},
        Broken{"opcode_3", kClient, client_frame(0x83, "a"), kProtocol},
        Broken{"opcode_7", kServer, server_frame(0x87, "a"), kProtocol},
        Broken{"opcode_b", kClient, client_frame(0x8b, "a"), kProtocol},
        Broken{"opcode_f", kServer, server_frame(0x8f, "a"), kProtocol},
        Broken{"ping_in_fragments", kClient, client_frame(0x09, "a"), kProtocol},
        Broken{"ping_of_126_bytes", kServer, server_frame(0x89, std::string(126, 'a')), kProtocol},
        Broken{"length_16_too_long", kServer, "\x82\x7e\0\x7d"s + std::string(125, 'a'), kProtocol},
        Broken{"length_64_too_long", kServer, "\x82\x7f\0\0\0\0\0\0\xff\xff"s, kProtocol},
        Broken{"length_63_bits", kServer, "\x82\x7f\x80\0\0\0\0\0\0\0"s, kProtocol},
        Broken{"continuation_of_nothing", kClient, client_frame(0x80, "a"), kProtocol},
        Broken{"message_in_a_message", kClient, client_frame(0x01, "a") + client_frame(0x81, "b"),
               kProtocol},
        Broken{"message_too_long", kServer, "\x82\x7f\0\0\0\0\0\x10\0\1"s, CloseCode::too_big},
        Broken{"fragments_too_long", kServer,
               server_frame(0x02, "a") + "\x80\x7f\0\0\0\0\0\x10\0\0"s, CloseCode::too_big},
        Broken{"text_not_utf8", kServer, server_frame(0x81, "\xff"), CloseCode::not_utf8},
        Broken{"text_overlong", kServer, server_frame(0x81, "\xc0\x80"), CloseCode::not_utf8},
        Broken{"text_surrogate", kServer, server_frame(0x81, "\xed\xa0\x80"), CloseCode::not_utf8},
        Broken{"text_past_unicode", kServer, server_frame(0x81, "\xf4\x90\x80\x80"),
               CloseCode::not_utf8},
        Broken{"text_ends_in_a_character", kClient, client_frame(0x81, "\xe2\x82"),
               CloseCode::not_utf8},
        Broken{"fragments_end_in_a_character", kClient,
               client_frame(0x01, "\xe2") + client_frame(0x80, "\x82"), CloseCode::not_utf8},
        Broken{"close_of_one_byte", kClient, client_frame(0x88, "\x03"), kProtocol},
        Broken{"close_1005", kClient, client_frame(0x88, "\x03\xed"), kProtocol},
        Broken{"close_1006", kServer, server_frame(0x88, "\x03\xee"), kProtocol},
        Broken{"close_1015", kServer, server_frame(0x88, "\x03\xf7"), kProtocol},
        Broken{"close_999", kServer, server_frame(0x88, "\x03\xe7"), kProtocol},
        Broken{"close_5000", kServer, server_frame(0x88, "\x13\x88"), kProtocol},
        Broken{"close_reason_not_utf8", kClient, client_frame(0x88, "\x03\xe8\xff"),
               CloseCode::not_utf8}),
    [](const auto& row) { return row.param.name; });

TEST(FramePipe, frames_keep_shape_and_order_however_they_are_cut) {
    const std::string big(70000, 'b');
    const std::string bytes = client_frame(0x01, "h\xc3") + client_frame(0x89, "ping") +
                              client_frame(0x00, "\xa9") + client_frame(0x80, "") +
                              client_frame(0x82, big) +
                              client_frame(0x88,
                                           "\x03\xe8"
                                           "bye") +
                              client_frame(0x81, "too late");
    for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, bytes.size()}) {
        const Outcome result = run(kClient, bytes, step);
        ASSERT_FALSE(result.failure.has_value());
        EXPECT_TRUE(result.closed);
        // 70,000 bytes go on as two fragments.
        EXPECT_THAT(frames_of(result.out, kClient),
                    ElementsAre("\x01h\xc3", "\x89ping", "\0\xa9"s, "\x80",
                                "\x02" + big.substr(0, kFragment), "\x80" + big.substr(kFragment),
                                "\x88\x03\xe8"
                                "bye"));
        EXPECT_THAT(result.filter.messages, ElementsAre("h\xc3\xa9", big, ""));
        EXPECT_THAT(result.filter.controls, ElementsAre("ping", "bye"));
    }
}

TEST(FramePipe, filter_changes_lengths_and_masks_are_fresh) {
    fakes::FakeFilter filter;
    filter.replace = {"PLACEHOLDER", "the-real-secret-that-is-longer"};
    const std::string bytes = client_frame(0x81, "key PLACEHOLDER.");
    const Outcome result = run(kClient, bytes, bytes.size(), filter);
    EXPECT_THAT(frames_of(result.out, kClient),
                ElementsAre("\x81key the-real-secret-that-is-longer."));
    const Outcome again = run(kClient, bytes, bytes.size(), filter);
    EXPECT_NE(result.out, again.out);
}

TEST(FramePipe, denied_message_ends_the_direction) {
    fakes::FakeFilter filter;
    filter.denied_word = "PLACEHOLDER";
    const std::string bytes = client_frame(0x81, "PLACEHOLDER") + client_frame(0x81, "more");
    const Outcome result = run(kClient, bytes, bytes.size(), filter);
    ASSERT_TRUE(result.failure.has_value());
    EXPECT_EQ(result.failure->code, CloseCode::policy);
    EXPECT_TRUE(result.failure->denied.has_value());
    EXPECT_EQ(result.out, "");
}

TEST(FramePipe, window_close_is_a_valid_frame) {
    for (const Sender sender : {kClient, kServer}) {
        std::string close;
        append_close(close, sender, CloseCode::policy, std::string(200, 'r'));
        const Outcome result = run(sender, close, 1);
        EXPECT_FALSE(result.failure.has_value());
        EXPECT_TRUE(result.closed);
        EXPECT_THAT(frames_of(close, sender), ElementsAre("\x88\x03\xf0" + std::string(123, 'r')));
    }
}

}  // namespace
}  // namespace anchorhold::proxy::websocket
