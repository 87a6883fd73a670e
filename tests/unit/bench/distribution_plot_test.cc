#include "bench/distribution_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_report.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t count_of(const std::string& text, const std::string& what) {
    size_t count = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
        ++count;
    }
    return count;
}

TEST(DistributionPlot, every_start_is_a_dot_and_every_variant_a_curve) {
    const std::string svg = distribution_svg(sample_report());
    EXPECT_EQ(count_of(svg, "<circle"), 6U);
    EXPECT_EQ(count_of(svg, "<path"), 2U);
    EXPECT_THAT(svg, HasSubstr("anchorhold: median 36.0 virtual ms"));
    EXPECT_THAT(svg, HasSubstr("qemu: median 144.0 virtual ms"));
}

TEST(DistributionPlot, picture_needs_nothing_from_outside) {
    const std::string svg = distribution_svg(sample_report());
    EXPECT_TRUE(svg.starts_with("<svg xmlns="));
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
    EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
    EXPECT_EQ(count_of(svg, "http"), 1U);  // the namespace
    EXPECT_THAT(svg, Not(HasSubstr("<script")));
}

TEST(DistributionPlot, text_from_outside_cannot_break_the_markup) {
    Report report = sample_report();
    report.variants[0].description.name = "<b>\"&\n";
    const std::string svg = distribution_svg(report);
    EXPECT_THAT(svg, HasSubstr("&lt;b&gt;&quot;&amp; : median"));
}

TEST(DistributionPlot, report_without_starts_is_an_empty_plot) {
    Report report = sample_report();
    report.variants.clear();
    EXPECT_TRUE(distribution_svg(report).ends_with("</svg>\n"));
}

}  // namespace
}  // namespace anchorhold::bench
