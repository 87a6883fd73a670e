// Strings that any JSON reader reads, and that come back as they were.
#include "supervisor/audit/json_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anchorhold::supervisor {
namespace {

std::string written(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

struct Case {
    std::string text;
    std::string json;
};
class JsonStringTest : public testing::TestWithParam<Case> {};

TEST_P(JsonStringTest, text_is_spelled_as_in_the_table) {
    EXPECT_EQ(written(GetParam().text), GetParam().json);
    EXPECT_TRUE(nlohmann::json::accept(GetParam().json));
}

INSTANTIATE_TEST_SUITE_P(
    all, JsonStringTest,
    testing::Values(
        Case{"", R"("")"}, Case{"a/b c", R"("a/b c")"}, Case{"\"\\", R"("\"\\")"},
        Case{std::string("\0\n\x1b\x7f", 4), R"("\u0000\u000a\u001b\u007f")"},
        Case{"\xc3\xbc", R"("\u00fc")"}, Case{"\xe2\x80\xae", R"("\u202e")"},
        Case{"\xf0\x9f\x92\xa9", R"("\ud83d\udca9")"},
        // not UTF-8: a lone byte, overlong, a surrogate, beyond the last code point, cut short
        Case{"a\xff", R"("a\udbff\udfff")"}, Case{"\x80", R"("\udbff\udf80")"},
        Case{"\xc0\xaf", R"("\udbff\udfc0\udbff\udfaf")"},
        Case{"\xed\xa0\x80", R"("\udbff\udfed\udbff\udfa0\udbff\udf80")"},
        Case{"\xf5\x80\x80\x80", R"("\udbff\udff5\udbff\udf80\udbff\udf80\udbff\udf80")"},
        Case{"\xe2\x82", R"("\udbff\udfe2\udbff\udf82")"},
        // a genuine U+10FF80 is spelled as its bytes, so that it is not mistaken for one
        Case{"\xf4\x8f\xbe\x80", R"("\udbff\udff4\udbff\udf8f\udbff\udfbe\udbff\udf80")"}));

TEST(JsonStringTest, every_text_comes_back) {
    for (unsigned first = 0; first < 256; ++first) {
        for (unsigned second = 0; second < 256; ++second) {
            const std::string text = {static_cast<char>(first), static_cast<char>(second)};
            const std::string read = nlohmann::json::parse(written(text)).get<std::string>();
            std::string back;
            for (size_t i = 0; i < read.size();) {
                // U+10FFNN is f4 8f be/bf NN
                if (read.compare(i, 2, "\xf4\x8f") == 0) {
                    const auto third = static_cast<unsigned char>(read[i + 2]);
                    const auto fourth = static_cast<unsigned char>(read[i + 3]);
                    back.push_back(static_cast<char>((third & 3U) << 6 | (fourth & 0x3FU)));
                    i += 4;
                } else {
                    back.push_back(read[i++]);
                }
            }
            ASSERT_EQ(back, text);
        }
    }
}

TEST(JsonStringTest, overlong_text_is_cut_and_says_so) {
    EXPECT_EQ(written(std::string(kMaxRecordString + 7, 'a')),
              "\"" + std::string(kMaxRecordString, 'a') + "[+7 bytes]\"");
}

TEST(TimeTextTest, time_is_rfc_3339_with_nanoseconds) {
    TimeText time;
    std::string out;
    time.append(out, 1'700'000'000'000'000'001);
    time.append(out, 1'700'000'000'987'654'321);
    time.append(out, 0);
    EXPECT_EQ(out,
              "2023-11-14T22:13:20.000000001Z2023-11-14T22:13:20.987654321Z"
              "1970-01-01T00:00:00.000000000Z");
}

}  // namespace
}  // namespace anchorhold::supervisor
