#include "bench/baseline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_report.h"

namespace anchorhold::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kMillisecond = 1'000'000;

TEST(Baseline, medians_are_of_our_own_variant) {
    const Figures figures = medians(sample_report());
    EXPECT_EQ(figures.at("kernel"), 20 * kMillisecond);
    EXPECT_EQ(figures.at("vmm_private_bytes"), uint64_t{2} << 20);
    EXPECT_EQ(figures.count("shell.to_first_byte"), 0U);
}

TEST(Baseline, warm_starts_have_keys_of_their_own_and_peers_none) {
    Report report = sample_report();
    report.variants[0].description.start = StartKind::kShell;
    const Figures figures = medians(report);
    EXPECT_EQ(figures.at("shell.kernel"), 20 * kMillisecond);
    EXPECT_EQ(figures.at("shell.vmm_private_bytes"), uint64_t{2} << 20);
    EXPECT_EQ(figures.count("kernel"), 0U);
}

TEST(Baseline, median_more_than_five_per_cent_slower_is_named) {
    const Baseline baseline{
        .medians = {{"kernel", 40 * kMillisecond}}, .limits = {}, .stopwatch = {}};
    EXPECT_THAT(compare(baseline, {{"kernel", 42 * kMillisecond}}), IsEmpty());
    EXPECT_THAT(compare(baseline, {{"kernel", 30 * kMillisecond}}), IsEmpty());
    EXPECT_THAT(
        compare(baseline, {{"kernel", 43 * kMillisecond}}),
        ElementsAre(HasSubstr("kernel: 43.00 ms is 7.5 % more than the baseline's 40.00 ms")));
}

TEST(Baseline, phase_of_microseconds_may_vary_by_an_interrupt) {
    const Baseline baseline{.medians = {{"spawn", 100'000}}, .limits = {}, .stopwatch = {}};
    EXPECT_THAT(compare(baseline, {{"spawn", 100'000 + kSlackNanoseconds}}), IsEmpty());
    EXPECT_THAT(compare(baseline, {{"spawn", 100'001 + kSlackNanoseconds}}),
                ElementsAre(HasSubstr("spawn")));
}

TEST(Baseline, memory_is_shown_in_kibibytes) {
    const Baseline baseline{
        .medians = {{"vmm_private_bytes", 1 << 20}}, .limits = {}, .stopwatch = {}};
    EXPECT_THAT(compare(baseline, {{"vmm_private_bytes", 2 << 20}}),
                ElementsAre(HasSubstr("2048 KiB is 100.0 % more than the baseline's 1024 KiB")));
}

TEST(Baseline, figure_that_is_missing_is_wrong) {
    const Baseline baseline{.medians = {{"kernel", kMillisecond}},
                            .limits = {{"to_agent", kMillisecond}},
                            .stopwatch = {}};
    EXPECT_THAT(compare(baseline, {}),
                ElementsAre(HasSubstr("kernel: no figure"), HasSubstr("to_agent: no figure")));
}

TEST(Baseline, limit_holds_whatever_was_recorded) {
    const Baseline baseline{.medians = {{"to_agent", 120 * kMillisecond}},
                            .limits = {{"to_agent", 100 * kMillisecond}},
                            .stopwatch = {}};
    EXPECT_THAT(compare(baseline, {{"to_agent", 110 * kMillisecond}}),
                ElementsAre(HasSubstr("to_agent: 110.00 ms is over the limit of 100.00 ms")));
}

TEST(Baseline, file_written_and_read_is_the_same) {
    const Baseline baseline{
        .medians = {{"kernel", 1}}, .limits = {{"kernel", 2}}, .stopwatch = {"qemu", "-icount"}};
    const auto read = baseline_from_json(to_json(baseline));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->medians, baseline.medians);
    EXPECT_EQ(read->limits, baseline.limits);
    EXPECT_EQ(read->stopwatch, baseline.stopwatch);
}

TEST(Baseline, file_that_is_none_is_refused) {
    for (const char* text :
         {"", "{}", R"({"medians":{"kernel":"fast"},"limits":{},"stopwatch":[]})"}) {
        EXPECT_FALSE(baseline_from_json(text)) << text;
    }
}

}  // namespace
}  // namespace anchorhold::bench
