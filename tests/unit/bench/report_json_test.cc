#include "bench/report_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sample_report.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;

TEST(ReportJson, report_written_and_read_is_the_same) {
    const std::string text = to_json(sample_report());
    const auto read = report_from_json(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(to_json(*read), text);
    ASSERT_EQ(read->variants.size(), 2U);
    EXPECT_EQ(read->variants[0].starts.size(), 3U);
    EXPECT_EQ(read->variants[0].starts[2].times, sample_report().variants[0].starts[2].times);
    EXPECT_EQ(read->variants[1].description.command_line.size(), 3U);
    EXPECT_EQ(read->environment.clock, "virtual");
    EXPECT_EQ(read->variants[0].starts[1].counters.at("kvm.exits"), 200U);
    ASSERT_EQ(read->rushes.size(), 1U);
    EXPECT_EQ(read->rushes[0].to_first_byte.size(), 2U);
    EXPECT_EQ(read->rushes[0].start, StartKind::kRestored);
    ASSERT_EQ(read->idle.size(), 2U);
    EXPECT_EQ(read->idle[1].private_bytes, uint64_t{40} << 20);
    EXPECT_EQ(read->command_line, "anchorhold bench start --image 'a b'");
    EXPECT_EQ(read->work.disk_bytes, uint64_t{4} << 30);
}

TEST(ReportJson, phase_not_told_is_absent) {
    const auto json = nlohmann::json::parse(to_json(sample_report()));
    EXPECT_TRUE(json["variants"][0]["starts"][0].contains("kernel"));
    EXPECT_FALSE(json["variants"][1]["starts"][0].contains("kernel"));
    EXPECT_FALSE(json["variants"][1]["summary"].contains("kernel"));
    EXPECT_EQ(json["variants"][0]["summary"]["kernel"]["p50"], 20'000'000);
}

TEST(ReportJson, text_that_is_no_report_is_refused) {
    auto other_format = nlohmann::json::parse(to_json(sample_report()));
    other_format["format"] = 99;
    auto wrong_type = nlohmann::json::parse(to_json(sample_report()));
    wrong_type["variants"][0]["starts"][0]["kernel"] = "fast";
    auto other_start = nlohmann::json::parse(to_json(sample_report()));
    other_start["variants"][0]["start"] = "lukewarm";
    auto missing = nlohmann::json::parse(to_json(sample_report()));
    missing.erase("environment");
    const std::pair<std::string, const char*> cases[] = {
        {"", "parse error"},
        {"[1,2", "parse error"},
        {"[]", "bench report"},
        {other_format.dump(), "format 99"},
        {wrong_type.dump(), "number"},
        {other_start.dump(), "kind of start"},
        {missing.dump(), "environment"},
    };
    for (const auto& [text, expected] : cases) {
        const auto report = report_from_json(text);
        ASSERT_FALSE(report) << text.substr(0, 40);
        EXPECT_THAT(report.error().message, HasSubstr(expected));
    }
}

}  // namespace
}  // namespace anchorhold::bench
