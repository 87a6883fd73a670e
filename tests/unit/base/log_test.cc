// What text from outside looks like once it is safe to print, and which lines are written at all.
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace anchorhold::log {
namespace {

TEST(LogEscaped, unprintable_bytes_become_hexadecimal) {
    const struct {
        std::string text, expected;
    } cases[] = {
        {"", ""},
        {"plain ~ text!", "plain ~ text!"},
        {"two\nlines\r", "two\\x0alines\\x0d"},
        {"\x1b[2Jgone", "\\x1b[2Jgone"},
        {std::string("a\0b", 3), "a\\x00b"},
        {"\x7f\x80\xff", "\\x7f\\x80\\xff"},
        {"\xc3\xa9", "\\xc3\\xa9"},  // UTF-8: a terminal's C1 controls hide there
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},      // U+009B, the one-byte CSI
        {"\\x0a", "\\x5cx0a"},  // a guest cannot forge an escape
        {"{}%s", "{}%s"},
    };
    for (const auto& test : cases) {
        EXPECT_EQ(escaped(test.text), test.expected);
    }
}

TEST(LogEscaped, long_text_is_cut_at_the_limit_and_says_so) {
    EXPECT_EQ(escaped("abcdef", 6), "abcdef");
    EXPECT_EQ(escaped("abcdefg", 6), "abcdef…");
    EXPECT_EQ(escaped("\n\n\n", 2), "\\x0a\\x0a…");
    EXPECT_EQ(escaped("x", 0), "…");
}

TEST(LogLevel, environment_chooses_and_unknown_words_fall_back) {
    const struct {
        const char* text;
        Level expected;
    } cases[] = {
        {"debug", Level::kDebug}, {"info", Level::kInfo}, {"warning", Level::kWarning},
        {"error", Level::kError}, {"off", Level::kOff},   {"", Level::kInfo},
        {"DEBUG", Level::kInfo},  {"1", Level::kInfo},
    };
    for (const auto& test : cases) {
        ASSERT_EQ(::setenv("ANCHORHOLD_LOG", test.text, 1), 0);
        EXPECT_EQ(level_from_environment(Level::kInfo), test.expected) << test.text;
    }
    ASSERT_EQ(::unsetenv("ANCHORHOLD_LOG"), 0);
    EXPECT_EQ(level_from_environment(Level::kError), Level::kError);
}

TEST(LogEnabled, threshold_lets_its_own_level_and_above_pass) {
    configure("test", Level::kWarning);
    EXPECT_FALSE(enabled(Level::kInfo));
    EXPECT_TRUE(enabled(Level::kWarning));
    EXPECT_TRUE(enabled(Level::kError));
    configure("test", Level::kOff);
    EXPECT_FALSE(enabled(Level::kError));
    EXPECT_FALSE(enabled(Level::kOff));
}

TEST(LogWrite, line_has_utc_time_component_level_and_text) {
    configure("window", Level::kInfo);
    testing::internal::CaptureStderr();
    info("{} of {}", 1, 2);
    debug("not written");
    error("{{}}");
    const std::string output = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(testing::Matcher<std::string>(
                    testing::MatchesRegex("....-..-..T..:..:......Z window info: 1 of "
                                          "2\n....-..-..T..:..:......Z window error: ..\n"))
                    .Matches(output))
        << output;
}

}  // namespace
}  // namespace anchorhold::log
