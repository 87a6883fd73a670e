// Forms, queries and targets by place.
#include "proxy/credentials/form_text.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

TEST(FormText, fields_decoded_with_their_places) {
    const std::string_view text = "a=1&&b%20c=x+y%26&flag&=v&e=";
    const auto fields = parse_form(text);
    ASSERT_EQ(fields.size(), 5U);
    EXPECT_EQ(fields[0].key, "a");
    EXPECT_EQ(fields[1].key, "b c");
    EXPECT_EQ(fields[1].value, "x y&");
    EXPECT_EQ(text.substr(fields[1].raw.begin, fields[1].raw.end - fields[1].raw.begin), "x+y%26");
    EXPECT_EQ(fields[2].key, "flag");
    EXPECT_EQ(fields[2].raw.begin, fields[2].raw.end);
    EXPECT_EQ(fields[3].key, "");
    EXPECT_EQ(fields[4].value, "");
    EXPECT_TRUE(parse_form("").empty());
    EXPECT_TRUE(parse_form("&").empty());
}

TEST(FormText, offset_moves_the_places) {
    const auto fields = parse_form("k=v", 10);
    ASSERT_EQ(fields.size(), 1U);
    EXPECT_EQ(fields[0].raw.begin, 12U);
    EXPECT_EQ(fields[0].raw.end, 13U);
}

TEST(FormText, target_split_into_segments_and_query) {
    const std::string_view target = "/a/b%2Fc/?q=1?2";
    const TargetParts parts = split_target(target);
    ASSERT_EQ(parts.segments.size(), 3U);
    EXPECT_EQ(target.substr(parts.segments[1].begin, 5), "b%2Fc");
    EXPECT_EQ(parts.segments[2].begin, parts.segments[2].end);
    EXPECT_EQ(target.substr(parts.query.begin), "q=1?2");
    EXPECT_TRUE(split_target("*").segments.empty());
    EXPECT_EQ(split_target("/a").query.begin, 2U);
}

}  // namespace
}  // namespace anchorhold::proxy
