// Sizes and durations as people write them, right and wrong.
#include "cli/text.h"

#include <gtest/gtest.h>

#include <string>

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

TEST(ParseSize, numbers_with_a_unit_are_bytes) {
    const struct {
        const char* text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"65536", 65536},
        {"1B", 1},
        {"4K", 4096},
        {"4k", 4096},
        {"4KiB", 4096},
        {"512M", uint64_t{512} << 20},
        {"512m", uint64_t{512} << 20},
        {"512MiB", uint64_t{512} << 20},
        {"2G", uint64_t{2} << 30},
        {"2g", uint64_t{2} << 30},
        {"1.5GiB", uint64_t{3} << 29},
        {"0.5K", 512},
        {".5K", 512},
        {"1T", uint64_t{1} << 40},
        {"1TiB", uint64_t{1} << 40},
        {"0512M", uint64_t{512} << 20},
    };
    for (const auto& test : cases) {
        const auto bytes = parse_size(test.text);
        ASSERT_TRUE(bytes) << bytes.error().message;
        EXPECT_EQ(*bytes, test.bytes) << test.text;
    }
}

TEST(ParseSize, anything_else_is_refused_with_an_example) {
    for (const char* text : {"",
                             " ",
                             "M",
                             "-1",
                             "-1M",
                             "+1M",
                             "1 M",
                             "1M ",
                             " 1M",
                             "1MB",
                             "1Mib",
                             "1X",
                             "1e3",
                             "1e3M",
                             "0x10",
                             "1,5G",
                             "inf",
                             "nan",
                             "infM",
                             "1M1",
                             "1..5M",
                             "99999999999T",
                             "9223372036854775808"}) {
        const auto bytes = parse_size(text);
        ASSERT_FALSE(bytes) << text << " became " << *bytes;
        EXPECT_EQ(bytes.error().message,
                  "'" + std::string(text) + "' is not a size; write for example 512M or 2G");
    }
}

TEST(ParseSize, text_with_a_zero_byte_is_refused) {
    EXPECT_FALSE(parse_size(std::string_view("1M\0", 3)));
    EXPECT_FALSE(parse_size(std::string_view("1\0M", 3)));
}

TEST(ParseDuration, numbers_with_a_unit_are_durations) {
    const struct {
        const char* text;
        Duration duration;
    } cases[] = {
        {"30", 30s},   {"2s", 2s}, {"500ms", 500ms}, {"1.5m", 90s},
        {"1min", 60s}, {"1h", 1h}, {"0.001ms", 1us}, {"0.5", 500ms},
    };
    for (const auto& test : cases) {
        const auto duration = parse_duration(test.text);
        ASSERT_TRUE(duration) << duration.error().message;
        EXPECT_EQ(*duration, test.duration) << test.text;
    }
}

TEST(ParseDuration, anything_else_is_refused_with_an_example) {
    for (const char* text : {"", "0", "0s", "0.0h", "-1s", "s", "1 s", "1S", "1us", "1d", "1e3s",
                             "inf", "nan", "0.0000000001s", "2562047h", "9999999999h"}) {
        const auto duration = parse_duration(text);
        ASSERT_FALSE(duration) << text;
        EXPECT_EQ(
            duration.error().message,
            "'" + std::string(text) + "' is not a duration; write for example 500ms, 30s or 5m");
    }
}

TEST(DisplayDuration, seconds_then_minutes) {
    const struct {
        Duration duration;
        const char* text;
    } cases[] = {
        {0s, "0.0 s"},      {800ms, "0.8 s"},    {2s, "2.0 s"},           {59s + 900ms, "59.9 s"},
        {60s, "1 min 0 s"}, {72s, "1 min 12 s"}, {59s + 960ms, "60.0 s"}, {1h + 1s, "60 min 1 s"},
    };
    for (const auto& test : cases) {
        EXPECT_EQ(display_duration(test.duration), test.text);
    }
}

}  // namespace
}  // namespace anchorhold::cli
