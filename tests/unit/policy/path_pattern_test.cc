#include "policy/path_pattern.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

bool matches(const char* pattern, const char* target, Reading reading = Reading::narrow) {
    const auto parsed = parse_path_pattern(pattern);
    const auto path = parse_target(target);
    EXPECT_TRUE(parsed) << pattern;
    EXPECT_TRUE(path) << target;
    return parsed && path && path_matches(*parsed, *path, reading);
}

TEST(path_pattern, matches_segment_by_segment) {
    EXPECT_TRUE(matches("/", "/"));
    EXPECT_FALSE(matches("/", "/a"));
    EXPECT_TRUE(matches("/**", "/"));
    EXPECT_TRUE(matches("/**", "/a/b/"));
    EXPECT_TRUE(matches("/a/**", "/a"));
    EXPECT_TRUE(matches("/a/**", "/a/"));
    EXPECT_FALSE(matches("/a/**", "/ab"));
    EXPECT_TRUE(matches("/a/*/c", "/a/b/c"));
    EXPECT_FALSE(matches("/a/*/c", "/a/c"));
    EXPECT_FALSE(matches("/a/*", "/a/b/c"));
    EXPECT_FALSE(matches("/a/*", "/a/"));
    EXPECT_TRUE(matches("/a/", "/a/"));
    EXPECT_FALSE(matches("/a/", "/a"));
    EXPECT_TRUE(matches("/v*-beta", "/v2-beta"));
}

TEST(path_pattern, star_holds_no_encoded_slash_unless_it_is_written) {
    EXPECT_FALSE(matches("/*", "/@scope%2fname"));
    EXPECT_TRUE(matches("/@*%2F*", "/@scope%2fname"));
    EXPECT_FALSE(matches("/@*%2F*", "/@scope/name"));
    EXPECT_TRUE(matches("/%2A", "/*"));
    EXPECT_FALSE(matches("/%2A", "/a"));
}

TEST(path_pattern, asterisk_target_is_matched_by_none) {
    EXPECT_FALSE(matches("/**", "*"));
    EXPECT_FALSE(matches("/**", "*", Reading::wide));
}

TEST(path_pattern, wide_reading_sees_what_a_lenient_server_sees) {
    for (const char* target : {"/a/b", "/A/B", "/a/b/", "/a%2Fb", "/a;x/b", "/;y/a/b", "/a/b;z"}) {
        EXPECT_TRUE(matches("/a/b", target, Reading::wide)) << target;
    }
    EXPECT_FALSE(matches("/a/b", "/a/b/c", Reading::wide));
}

TEST(path_pattern, is_refused_where_it_could_not_match_or_mislead) {
    for (const char* text : {"", "a", "/a//b", "/**/a", "/a**", "/a/../b", "/a%zz", "/a\\b", "/a?b",
                             "/a#b", "/a%00", "/a%ff"}) {
        EXPECT_FALSE(parse_path_pattern(text)) << text;
    }
}

TEST(path_pattern, is_written_back_as_it_was_read) {
    for (const char* text : {"/", "/a", "/a/", "/a/**", "/**", "/*/b*c/", "/@*%2F*", "/%2A/%25"}) {
        EXPECT_EQ(path_pattern_text(*parse_path_pattern(text)),
                  text == std::string("/**") ? "/**" : text);
    }
}

TEST(path_pattern, covers_only_what_is_proven) {
    const auto covers = [](const char* outer, const char* inner) {
        return path_covers(*parse_path_pattern(outer), *parse_path_pattern(inner));
    };
    EXPECT_TRUE(covers("/**", "/a/b"));
    EXPECT_TRUE(covers("/a/**", "/a/*/c/**"));
    EXPECT_TRUE(covers("/*/b", "/a/b"));
    EXPECT_FALSE(covers("/*/b", "/a/b/"));
    EXPECT_FALSE(covers("/a/*", "/a/**"));
    EXPECT_FALSE(covers("/a/*/**", "/a/**"));
    EXPECT_FALSE(covers("/*", "/a%2Fb"));
}

TEST(path_pattern, overlap_is_never_missed) {
    const auto overlap = [](const char* a, const char* b, Reading reading) {
        return paths_overlap(*parse_path_pattern(a), *parse_path_pattern(b), reading);
    };
    EXPECT_TRUE(overlap("/a/*", "/*/b", Reading::narrow));
    EXPECT_FALSE(overlap("/a", "/a/", Reading::narrow));
    EXPECT_TRUE(overlap("/a", "/a/", Reading::wide));
    EXPECT_FALSE(overlap("/a/b", "/a/c", Reading::wide));
    EXPECT_TRUE(overlap("/a%2Fb", "/a/b", Reading::wide));
    EXPECT_TRUE(overlap("/a*x/c", "/a/c", Reading::wide));  // "/a;x/c"
    EXPECT_TRUE(overlap("/a/*/b", "/a/b", Reading::wide));  // "/a/;/b"
    EXPECT_FALSE(overlap("/a/*/b", "/a/b", Reading::narrow));
}

}  // namespace
}  // namespace anchorhold::policy
