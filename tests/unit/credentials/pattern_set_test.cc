// The search against the plain way, on many random texts.
#include "proxy/credentials/pattern_set.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace anchorhold::proxy {
namespace {

PatternSet make(const std::vector<std::string>& patterns) {
    PatternSet set;
    for (size_t i = 0; i < patterns.size(); ++i) {
        set.add(SecretString(patterns[i]), static_cast<uint32_t>(i));
    }
    set.build();
    return set;
}

TEST(PatternSet, several_patterns_first_and_longest_found) {
    const PatternSet set = make({"abcdefgh", "abcdefghij", "zyxwvutsr"});
    const auto match = set.find("..abcdefghijk..zyxwvutsr");
    ASSERT_TRUE(match);
    EXPECT_EQ(match->position, 2U);
    EXPECT_EQ(set.pattern(match->pattern), "abcdefghij");
    const auto next = set.find("..abcdefghijk..zyxwvutsr", 3);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->position, 15U);
    EXPECT_EQ(set.tag(next->pattern), 2U);
}

TEST(PatternSet, nothing_there_nothing_found) {
    EXPECT_FALSE(make({}).find("anything"));
    const PatternSet set = make({"abcdefgh"});
    EXPECT_FALSE(set.find(""));
    EXPECT_FALSE(set.find("abcdefg"));
    EXPECT_FALSE(set.find("abcdefgh", 9));
    EXPECT_TRUE(make({"short"}).empty());
}

TEST(PatternSet, random_texts_same_as_plain_search) {
    std::mt19937 random(7);
    const auto text = [&random](size_t size) {
        std::string out(size, 'a');
        for (char& byte : out) {
            byte = static_cast<char>('a' + random() % 2);
        }
        return out;
    };
    for (int round = 0; round < 300; ++round) {
        std::vector<std::string> patterns;
        for (size_t i = 0; i < 1 + random() % 8; ++i) {
            patterns.push_back(text(8 + random() % 6));
        }
        const PatternSet set = make(patterns);
        const std::string haystack = text(random() % 400);
        size_t expected = std::string::npos;
        for (const std::string& pattern : patterns) {
            expected = std::min(expected, haystack.find(pattern));
        }
        const auto match = set.find(haystack);
        EXPECT_EQ(match ? match->position : std::string::npos, expected);
    }
}

TEST(PatternSet, open_tail_is_the_longest_start_of_a_pattern) {
    const PatternSet set = make({"abcdefgh", "cdefghijkl"});
    EXPECT_EQ(set.open_tail("xxabcd"), 4U);
    EXPECT_EQ(set.open_tail("xxcdefghijk"), 9U);
    EXPECT_EQ(set.open_tail("abcdefgh"), 6U);  // of the second
    EXPECT_EQ(set.open_tail("data: {}\n\n"), 0U);
    EXPECT_EQ(set.open_tail(""), 0U);
}

}  // namespace
}  // namespace anchorhold::proxy
