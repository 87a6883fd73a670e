// Frames as tables of raw bytes: what is written, what is cut out of any split, what is refused and
// when.
#include "proto/frame.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "proto/guest_control.pb.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::proto {
namespace {

// Bytes of a literal, zero bytes included.
template <size_t N>
std::string raw(const char (&text)[N]) {
    return std::string(text, N - 1);
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

// Every frame the reader has; an error ends the list with its message.
std::vector<std::string> drain(FrameReader& reader) {
    std::vector<std::string> frames;
    for (;;) {
        const auto frame = reader.next();
        if (!frame) {
            frames.push_back("error: " + frame.error().message);
            return frames;
        }
        if (!frame->has_value()) {
            return frames;
        }
        frames.emplace_back(**frame);
    }
}

GuestStream guest_stream(uint32_t guest_port, uint32_t host_port) {
    GuestStream stream;
    stream.set_guest_port(guest_port);
    stream.set_host_port(host_port);
    return stream;
}

TEST(AppendFrame, length_is_little_endian_and_precedes_the_message) {
    std::string out;
    append_frame(out, guest_stream(5, 300));
    EXPECT_EQ(out, raw("\x05\0\0\0\x08\x05\x10\xac\x02"));
}

TEST(AppendFrame, empty_message_is_a_header_of_zero) {
    std::string out;
    append_frame(out, Ready());
    EXPECT_EQ(out, raw("\0\0\0\0"));
}

TEST(AppendFrame, frames_follow_what_is_there) {
    std::string out = "before";
    append_frame(out, guest_stream(1, 0));
    append_frame(out, guest_stream(2, 0));
    EXPECT_EQ(out, raw("before\x02\0\0\0\x08\x01\x02\0\0\0\x08\x02"));
}

TEST(AppendFrame, length_of_more_than_a_byte_uses_the_next) {
    Ready ready;
    ready.add_warnings(std::string(0x1234, 'x'));
    std::string out;
    append_frame(out, ready);
    EXPECT_EQ(out.substr(0, 4), raw("\x37\x12\0\0"));
    EXPECT_EQ(out.size(), 4U + 0x1237U);
}

TEST(FrameReader, bytes_become_these_frames) {
    using Frames = std::vector<std::string>;
    const std::string bound = "error: frame of 9 bytes, the bound is 8";
    const struct {
        const char* name;
        std::string bytes;
        Frames frames;
        size_t buffered;
    } cases[] = {
        {"nothing", "", {}, 0},
        {"part of a header", raw("\x02\0\0"), {}, 3},
        {"header alone", raw("\x02\0\0\0"), {}, 4},
        {"message cut", raw("\x02\0\0\0a"), {}, 5},
        {"one frame", raw("\x02\0\0\0ab"), {"ab"}, 0},
        {"empty frame", raw("\0\0\0\0"), {""}, 0},
        {"two frames", raw("\x01\0\0\0a\x02\0\0\0bc"), {"a", "bc"}, 0},
        {"frame and a half", raw("\x01\0\0\0a\x02\0\0\0b"), {"a"}, 5},
        {"exactly the bound", raw("\x08\0\0\0") + "12345678", {"12345678"}, 0},
        {"one beyond the bound", raw("\x09\0\0\0"), {bound}, 4},
        {"beyond after a good one", raw("\x01\0\0\0a\x09\0\0\0"), {"a", bound}, 4},
        {"length in big-endian order",
         raw("\0\0\0\x02"
             "ab"),
         {"error: frame of 33554432 bytes, the bound is 8"},
         6},
        {"largest length",
         raw("\xff\xff\xff\xff"),
         {"error: frame of 4294967295 bytes, the bound is 8"},
         4},
    };
    for (const auto& test : cases) {
        FrameReader reader(8);
        reader.feed(bytes_of(test.bytes));
        EXPECT_EQ(drain(reader), test.frames) << test.name;
        EXPECT_EQ(reader.buffered(), test.buffered) << test.name;
    }
}

TEST(FrameReader, stream_split_at_every_byte_gives_the_same_frames) {
    const std::string stream = raw("\x03\0\0\0one\0\0\0\0\x05\0\0\0three");
    const std::vector<std::string> expected = {"one", "", "three"};
    for (size_t split = 0; split <= stream.size(); ++split) {
        FrameReader reader(16);
        reader.feed(bytes_of(std::string_view(stream).substr(0, split)));
        std::vector<std::string> frames = drain(reader);
        reader.feed(bytes_of(std::string_view(stream).substr(split)));
        for (std::string& frame : drain(reader)) {
            frames.push_back(std::move(frame));
        }
        EXPECT_EQ(frames, expected) << "split at " << split;
        EXPECT_EQ(reader.buffered(), 0U);
    }
}

TEST(FrameReader, stream_fed_byte_by_byte_gives_each_frame_with_its_last_byte) {
    const std::string stream = raw("\x01\0\0\0a\x02\0\0\0bc");
    FrameReader reader(16);
    std::vector<std::pair<size_t, std::string>> frames;
    for (size_t i = 0; i < stream.size(); ++i) {
        reader.feed(bytes_of(std::string_view(stream).substr(i, 1)));
        for (std::string& frame : drain(reader)) {
            frames.emplace_back(i, std::move(frame));
        }
    }
    EXPECT_EQ(frames, (std::vector<std::pair<size_t, std::string>>{{4, "a"}, {10, "bc"}}));
}

// Fed in two pieces, so that nobody can wait for the announced bytes to arrive first.
TEST(FrameReader, length_beyond_the_bound_is_refused_as_soon_as_the_header_is_whole) {
    FrameReader reader(kMaxControlFrame);
    reader.feed(bytes_of(raw("\x01\x10\0")));
    EXPECT_TRUE(drain(reader).empty());
    reader.feed(bytes_of(raw("\0")));
    EXPECT_EQ(drain(reader),
              std::vector<std::string>{"error: frame of 4097 bytes, the bound is 4096"});
}

TEST(FrameReader, error_stays_whatever_follows) {
    FrameReader reader(8);
    reader.feed(bytes_of(raw("\xff\0\0\0")));
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.next());
    reader.feed(bytes_of(raw("\x01\0\0\0a")));
    EXPECT_FALSE(reader.next());
}

TEST(FrameReader, many_small_frames_leave_nothing_behind) {
    FrameReader reader(8);
    std::string piece;
    for (int i = 0; i < 100; ++i) {
        piece += raw("\x02\0\0\0ab");
    }
    for (int round = 0; round < 100; ++round) {
        reader.feed(bytes_of(piece));
        EXPECT_EQ(drain(reader).size(), 100U);
        EXPECT_EQ(reader.buffered(), 0U);
    }
}

TEST(FrameReader, wiped_frames_are_zeros_and_what_follows_is_whole) {
    FrameReader reader(64);
    const std::string bytes("\6\0\0\0secret\4\0\0\0next", 18);
    reader.feed(std::as_bytes(std::span(bytes)));
    const std::string_view secret = reader.next().value().value();
    EXPECT_EQ(secret, "secret");
    reader.wipe();
    EXPECT_EQ(secret, std::string(6, '\0'));
    EXPECT_EQ(reader.next().value().value(), "next");
}

TEST(FrameRoundTrip, message_comes_back_as_it_was) {
    VmmEvent event;
    event.mutable_ended()->set_reason(Ended::PANIC);
    event.mutable_ended()->set_detail("Attempted to kill init!");
    event.mutable_ended()->set_console_tail(std::string("\0\xff\n", 3));
    std::string out;
    append_frame(out, event);
    FrameReader reader(kMaxControlFrame);
    reader.feed(bytes_of(out));
    const auto back = parse<VmmEvent>(**reader.next(), "event");
    ASSERT_TRUE(back);
    EXPECT_EQ(back->SerializeAsString(), event.SerializeAsString());
}

TEST(Parse, malformed_bytes_are_errors_naming_the_message) {
    const struct {
        const char* name;
        std::string bytes;
    } cases[] = {
        {"field number zero", raw("\0")},
        {"varint cut", raw("\x08\x80")},
        {"varint of eleven bytes", raw("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
        {"length beyond the end", raw("\x12\x05"
                                      "ab")},
        {"text that is not UTF-8", raw("\x22\x01\xff")},
        {"group never closed", raw("\x0b")},
    };
    for (const auto& test : cases) {
        const auto message = parse<Ready>(test.bytes, "init's report");
        ASSERT_FALSE(message) << test.name;
        EXPECT_EQ(message.error().message, "init's report is not a valid message");
    }
}

TEST(Parse, unknown_fields_are_carried_not_refused) {
    EXPECT_TRUE(parse<Ready>(raw("\xf8\x07\x01"), "init's report"));
    EXPECT_TRUE(parse<Ready>("", "init's report"));
}

}  // namespace
}  // namespace anchorhold::proto
