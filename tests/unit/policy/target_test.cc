#include "policy/target.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

TEST(target, is_refused_where_two_readers_could_differ) {
    const std::string long_target = "/" + std::string(8192, 'a');
    const char* refused[] = {"",
                             "a",
                             "http://example.com/",
                             "example.com:443",
                             "**",
                             "/a//b",
                             "//",
                             "/..",
                             "/a/../b",
                             "/a/./b",
                             "/.",
                             "/a/%2e%2e/b",
                             "/a/.%2E",
                             "/a/%252e%252e/b",
                             "/a/%25252e%25252e",
                             "/a/..%2fb",
                             "/a/b%2f..%2fc",
                             "/a/..;x=y/b",
                             "/a/%2e%2e%3bx",
                             "/a%5cb",
                             "/a\\b",
                             "/a%00b",
                             "/a?b=%00",
                             "/a%0d%0ab",
                             "/a b",
                             "/a\tb",
                             "/a\r\nb",
                             "/a%",
                             "/a%2",
                             "/a%zz",
                             "/a?b=%z",
                             "/a#b",
                             "/a?b#c",
                             "/a%c0%ae",
                             "/a%ff",
                             long_target.c_str()};
    for (const char* text : refused) {
        EXPECT_FALSE(parse_target(text)) << text;
    }
}

TEST(target, path_is_decoded_per_segment) {
    const auto target = parse_target("/a%2Fb/%63d/e+f;g@h/");
    ASSERT_TRUE(target) << target.error().message;
    EXPECT_EQ(target->segments, (std::vector<std::string>{"a/b", "cd", "e+f;g@h"}));
    EXPECT_TRUE(target->folder);
    EXPECT_EQ(target->forwarded, "/a%2Fb/cd/e+f;g@h/");
}

TEST(target, what_is_forwarded_keeps_reserved_characters_as_they_were_written) {
    EXPECT_EQ(parse_target("/a%2bb+c")->forwarded, "/a%2Bb+c");
    EXPECT_EQ(parse_target("/\"<\xc3\xa4>")->forwarded, "/%22%3C%C3%A4%3E");
    EXPECT_EQ(parse_target("/%7Ea?b=%7E%2f+")->forwarded, "/~a?b=%7E%2f+");
    EXPECT_EQ(parse_target("/?")->forwarded, "/?");
}

TEST(target, forwarded_form_parses_to_the_same_segments) {
    for (const char* text : {"/", "/a", "/a/", "/%25/%2F%3f", "/a%3Bb?c", "/\xe2\x82\xac"}) {
        const auto once = parse_target(text);
        ASSERT_TRUE(once) << text;
        const auto twice = parse_target(once->forwarded);
        ASSERT_TRUE(twice) << text;
        EXPECT_EQ(once->segments, twice->segments);
        EXPECT_EQ(once->folder, twice->folder);
        EXPECT_EQ(once->forwarded, twice->forwarded);
    }
}

TEST(target, root_is_a_folder_without_segments) {
    const auto target = parse_target("/");
    ASSERT_TRUE(target);
    EXPECT_TRUE(target->segments.empty());
    EXPECT_TRUE(target->folder);
}

TEST(target, query_is_decoded_into_pairs) {
    const auto target = parse_target("/?a=b&c&&d=e=f&%67=%68+i");
    ASSERT_TRUE(target);
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"a", "b"}, {"c", ""}, {"d", "e=f"}, {"g", "h+i"}};
    EXPECT_EQ(target->query, expected);
}

TEST(target, asterisk_stands_alone) {
    EXPECT_TRUE(parse_target("*")->asterisk);
    EXPECT_FALSE(parse_target("*?a"));
}

}  // namespace
}  // namespace anchorhold::policy
