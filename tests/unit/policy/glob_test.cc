#include "policy/glob.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

struct Case {
    const char* pattern;
    const char* text;
    bool narrow;
    bool plain;
    bool wide;
};

TEST(glob, matches_by_reading) {
    constexpr Case kCases[] = {
        {"", "", true, true, true},
        {"", "a", false, false, false},
        {"*", "", true, true, true},
        {"*", "a/b", false, true, true},
        {"a*c", "abbc", true, true, true},
        {"a*c", "a/c", false, true, true},
        {"a/*", "a/b", true, true, true},
        {"*/*", "a/b/c", false, true, true},
        {"abc", "ABC", false, false, true},
        {"\\*", "*", true, true, true},
        {"\\*", "a", false, false, false},
        {"a\\", "a\\", true, true, true},
        {"*a*b*", "xaxbx", true, true, true},
        {"*ab", "aab", true, true, true},
        {"*ab*cd", "abxcd", true, true, true},
        {"*ab*cd", "abxce", false, false, false},
    };
    for (const Case& one : kCases) {
        EXPECT_EQ(glob_matches(one.pattern, one.text, Reading::narrow), one.narrow)
            << one.pattern << " " << one.text;
        EXPECT_EQ(glob_matches(one.pattern, one.text, Reading::plain), one.plain)
            << one.pattern << " " << one.text;
        EXPECT_EQ(glob_matches(one.pattern, one.text, Reading::wide), one.wide)
            << one.pattern << " " << one.text;
    }
}

TEST(glob, covers_only_what_is_proven) {
    EXPECT_TRUE(glob_covers("*", "a*b"));
    EXPECT_TRUE(glob_covers("a*", "ab*c"));
    EXPECT_TRUE(glob_covers("a*c", "abc"));
    EXPECT_FALSE(glob_covers("ab*", "a*"));
    EXPECT_FALSE(glob_covers("abc", "a*c"));
    EXPECT_FALSE(glob_covers("*", "a/b"));
    EXPECT_TRUE(glob_covers("\\*", "\\*"));
    EXPECT_FALSE(glob_covers("\\*", "*"));
}

TEST(glob, overlap_is_found_wherever_a_text_matches_both) {
    EXPECT_TRUE(globs_overlap("a*", "*b"));
    EXPECT_TRUE(globs_overlap("*", ""));
    EXPECT_TRUE(globs_overlap("a*c", "abc"));
    EXPECT_TRUE(globs_overlap("ABC", "abc"));
    EXPECT_FALSE(globs_overlap("a*", "b*"));
    EXPECT_FALSE(globs_overlap("*a", "*b"));
    EXPECT_FALSE(globs_overlap("abc", "ab"));
    EXPECT_FALSE(globs_overlap("", "a"));
}

TEST(glob, literal_matches_only_itself) {
    const std::string pattern = glob_literal("a*\\b");
    EXPECT_TRUE(glob_matches(pattern, "a*\\b", Reading::narrow));
    EXPECT_FALSE(glob_matches(pattern, "ax\\b", Reading::narrow));
}

}  // namespace
}  // namespace anchorhold::policy
