// What a report says, from figures made up here.
#include "bench/proxy/report.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace anchorhold::bench {
namespace {

ProxyFigures figures(const std::string& name, uint64_t rate, uint64_t bulk, uint64_t p50) {
    ProxyFigures made;
    made.name = name;
    made.requests_per_cpu_second = rate;
    made.requests_per_second = rate;
    made.bulk_per_cpu_second = bulk;
    made.bulk_per_second = bulk;
    made.one_connection = {p50, p50, p50, p50};
    made.one_connection_samples = {p50, p50};
    made.idle_bytes = uint64_t{3} << 19;
    made.connection_bytes = 40 * 1024;
    return made;
}

ProxyReport report(const ProxyFigures& ours) {
    ProxyReport made;
    made.contenders = {figures("no proxy", 90'000, 2000, 20'000), ours,
                       figures("nginx", 40'000, 1000, 50'000),
                       figures("mitmproxy", 1'000, 100, 900'000)};
    made.missing = {"haproxy is not installed"};
    return made;
}

size_t short_lines(const ProxyReport& of) {
    const auto lines = judged(of);
    return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [](const auto& line) {
        return line.find("falls short") != std::string::npos;
    }));
}

TEST(ProxyBenchReport, figures_within_the_limits_do_not_fall_short) {
    EXPECT_EQ(short_lines(report(figures("anchorhold", 24'000, 900, 110'000))), 0U);
}

TEST(ProxyBenchReport, each_limit_that_is_missed_is_named) {
    EXPECT_EQ(short_lines(report(figures("anchorhold", 23'999, 900, 110'000))), 1U);
    EXPECT_EQ(short_lines(report(figures("anchorhold", 24'000, 899, 110'000))), 2U);
    EXPECT_EQ(short_lines(report(figures("anchorhold", 24'000, 900, 110'001))), 1U);
    EXPECT_EQ(short_lines(report(figures("anchorhold", 19'000, 900, 110'000))), 2U);
    ProxyFigures fat = figures("anchorhold", 24'000, 900, 110'000);
    fat.idle_bytes = (uint64_t{2} << 20) + 1;
    fat.connection_bytes = (48 << 10) + 1;
    EXPECT_EQ(short_lines(report(fat)), 2U);
}

TEST(ProxyBenchReport, text_json_and_plot_name_every_contender_and_what_is_missing) {
    const ProxyReport made = report(figures("anchorhold", 24'000, 900, 110'000));
    const auto json = nlohmann::json::parse(to_json(made));
    const std::string text = table(made);
    const std::string plot = proxy_svg(made);
    for (const ProxyFigures& one : made.contenders) {
        EXPECT_NE(text.find(one.name), std::string::npos);
        EXPECT_NE(plot.find(one.name), std::string::npos);
    }
    EXPECT_EQ(json.at("contenders").size(), 4U);
    EXPECT_NE(text.find("without haproxy is not installed"), std::string::npos);
    EXPECT_TRUE(plot.ends_with("</svg>\n"));
}

}  // namespace
}  // namespace anchorhold::bench
