// The hand-made headers against the library's parser.
#include "exec/stdio_frame.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/endian.h"
#include "proto/frame.h"

namespace anchorhold::exec {
namespace {

class StdioFrame : public testing::TestWithParam<size_t> {};

template <typename Frame>
Frame parsed(const std::string& header, const std::string& data) {
    proto::FrameReader reader(proto::kMaxExecServerFrame);
    const std::string bytes = header + data;
    reader.feed(std::as_bytes(std::span(bytes)));
    const auto message = reader.next();
    EXPECT_TRUE(message.has_value() && message->has_value());
    EXPECT_EQ(reader.buffered(), 0U);
    return *proto::parse<Frame>(**message, "frame");
}

TEST_P(StdioFrame, output_header_makes_a_valid_frame) {
    const std::string data(GetParam(), 'x');
    const auto frame =
        parsed<proto::ExecServerFrame>(output_frame_header(proto::STDERR, data.size()), data);
    EXPECT_EQ(frame.output().stream(), proto::STDERR);
    EXPECT_EQ(frame.output().data(), data);
}

TEST_P(StdioFrame, stdin_header_makes_a_valid_frame) {
    const std::string data(GetParam(), 'x');
    const auto frame = parsed<proto::ExecClientFrame>(stdin_frame_header(data.size()), data);
    EXPECT_EQ(frame.stdin_data(), data);
}

INSTANTIATE_TEST_SUITE_P(Sizes, StdioFrame,
                         testing::Values(1, 127, 128, 16383, 16384, proto::kMaxStdioChunk));

}  // namespace
}  // namespace anchorhold::exec
