// Bodies cut out of bytes, whole and a byte at a time.
#include "proxy/http1/body_reader.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy::http1 {
namespace {

constexpr Framing kChunked{Framing::Kind::chunked, 0};

struct Outcome {
    std::string body;
    std::string rest;
    bool done = false;
    bool failed = false;
    size_t trailers = 0;
};

Outcome read(Framing framing, std::string_view bytes, size_t step,
             BodyReader::From from = BodyReader::From::guest) {
    BodyReader reader(framing, from);
    Outcome outcome;
    std::string buffer;
    for (size_t at = 0; at < bytes.size() && !outcome.failed; at += step) {
        buffer += bytes.substr(at, step);
        const auto used = reader.read(buffer, outcome.body);
        outcome.failed = !used;
        buffer.erase(0, used.value_or(0));
    }
    outcome.done = reader.done();
    outcome.rest = buffer;
    outcome.trailers = reader.trailers().size();
    return outcome;
}

TEST(BodyReader, takes_what_is_its_own_and_leaves_the_rest) {
    const struct {
        Framing framing;
        std::string bytes;
        std::string body;
        std::string rest;
        size_t trailers = 0;
    } cases[] = {
        {{Framing::Kind::none, 0}, "next", "", "next"},
        {{Framing::Kind::length, 0}, "next", "", "next"},
        {{Framing::Kind::length, 5}, "hellonext", "hello", "next"},
        {kChunked, "0\r\n\r\nnext", "", "next"},
        {kChunked, "5\r\nhello\r\n0\r\n\r\nnext", "hello", "next"},
        {kChunked, "A\r\n0123456789\r\n00a\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""},
        {kChunked, "2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""},
        {kChunked, "1\r\nx\r\n0\r\nx-a: b\r\nauthorization: c\r\n\r\nnext", "x", "next", 1},
    };
    for (const auto& each : cases) {
        for (const size_t step : {size_t{1}, size_t{3}, size_t{1000}}) {
            const Outcome outcome = read(each.framing, each.bytes, step);
            EXPECT_FALSE(outcome.failed) << each.bytes;
            EXPECT_TRUE(outcome.done) << each.bytes;
            EXPECT_EQ(outcome.body, each.body);
            EXPECT_EQ(outcome.rest, each.rest);
            EXPECT_EQ(outcome.trailers, each.trailers);
        }
    }
}

TEST(BodyReader, malformed_chunks_are_refused_at_every_cut) {
    for (const std::string bytes :
         {"5;x=y\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n", "+5\r\nhello\r\n", "-5\r\nhello\r\n",
          " 5\r\nhello\r\n", "5 \r\nhello\r\n", "\r\nhello\r\n", "g\r\nhello\r\n", "5\nhello\r\n",
          "5\r\nhello\n0\r\n\r\n", "3\r\nhello\r\n", "1234567890abcdef0\r\n",
          "0\r\nx: a\r\n b\r\n\r\n", "0\r\nx : a\r\n\r\n", "0\r\nx\r\n\r\n"}) {
        for (const size_t step : {size_t{1}, size_t{1000}}) {
            EXPECT_TRUE(read(kChunked, bytes, step).failed) << bytes << " by " << step;
        }
    }
}

TEST(BodyReader, lines_are_bounded) {
    EXPECT_TRUE(read(kChunked, std::string(300, '0'), 7).failed);
    EXPECT_TRUE(read(kChunked, "0\r\nx: " + std::string(20000, 'a'), 1000).failed);
}

TEST(BodyReader, extensions_of_an_answer_are_dropped) {
    const Outcome outcome =
        read(kChunked, "5 ;x=\"y\"\r\nhello\r\n0;z\r\n\r\n", 1, BodyReader::From::upstream);
    EXPECT_TRUE(outcome.done);
    EXPECT_EQ(outcome.body, "hello");
}

TEST(BodyReader, end_of_stream_ends_only_what_lasts_until_then) {
    for (const Framing framing : {Framing{Framing::Kind::length, 5}, kChunked}) {
        EXPECT_FALSE(BodyReader(framing, BodyReader::From::upstream).end_of_stream());
    }
    BodyReader open({Framing::Kind::until_close, 0}, BodyReader::From::upstream);
    std::string body;
    EXPECT_EQ(open.read("hello", body), 5U);
    EXPECT_FALSE(open.done());
    EXPECT_TRUE(open.end_of_stream());
    EXPECT_TRUE(open.done());
}

}  // namespace
}  // namespace anchorhold::proxy::http1
