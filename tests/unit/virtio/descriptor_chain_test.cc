#include "virtio/descriptor_chain.h"

#include <gtest/gtest.h>

#include <array>

#include "guest_driver.h"

namespace anchorhold::virtio {
namespace {

class ChainCursorTest : public testing::Test {
  protected:
    std::array<std::byte, 8> first_{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
    std::array<std::byte, 8> second_{std::byte{'d'}, std::byte{'e'}};
    std::vector<std::span<std::byte>> segments_ = {
        std::span(first_).first(3), std::span<std::byte>(), std::span(second_).first(2)};
};

TEST_F(ChainCursorTest, read_crosses_segments_and_skips_empty_ones) {
    ChainCursor cursor(segments_);
    std::vector<std::byte> out(5);
    ASSERT_TRUE(cursor.read(out));
    EXPECT_EQ(fakes::to_text(out), "abcde");
    EXPECT_EQ(cursor.remaining(), 0U);
}

TEST_F(ChainCursorTest, read_of_too_much_moves_nothing) {
    ChainCursor cursor(segments_);
    std::vector<std::byte> out(6);
    EXPECT_FALSE(cursor.read(out));
    EXPECT_EQ(cursor.remaining(), 5U);
}

TEST_F(ChainCursorTest, write_crosses_segments) {
    ChainCursor cursor(segments_);
    ASSERT_TRUE(cursor.skip(2));
    ASSERT_TRUE(cursor.write(fakes::to_bytes("XY")));
    EXPECT_EQ(fakes::to_text(segments_[0]), "abX");
    EXPECT_EQ(fakes::to_text(segments_[2]), "Ye");
    EXPECT_FALSE(cursor.write(fakes::to_bytes("12")));
}

TEST_F(ChainCursorTest, gather_cuts_at_the_limit) {
    ChainCursor cursor(segments_);
    std::vector<iovec> pieces;
    EXPECT_EQ(cursor.gather(4, pieces), 4U);
    ASSERT_EQ(pieces.size(), 2U);
    EXPECT_EQ(pieces[0].iov_len, 3U);
    EXPECT_EQ(pieces[1].iov_len, 1U);
    EXPECT_EQ(cursor.gather(10, pieces), 1U);
}

TEST_F(ChainCursorTest, limit_shortens_what_remains) {
    ChainCursor cursor(segments_);
    cursor.limit(4);
    cursor.limit(100);
    EXPECT_EQ(cursor.remaining(), 4U);
    std::vector<iovec> pieces;
    EXPECT_EQ(cursor.gather(100, pieces), 4U);
    EXPECT_FALSE(cursor.skip(1));
}

}  // namespace
}  // namespace anchorhold::virtio
