#include "bench/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_report.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(HtmlReport, file_needs_nothing_from_outside) {
    const std::string text = html(sample_report());
    EXPECT_TRUE(text.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    EXPECT_TRUE(text.ends_with("</html>\n"));
    for (const char* outside : {"<script", "<link", "<img", "src=", "href=", "url(", "@import"}) {
        EXPECT_THAT(text, Not(HasSubstr(outside)));
    }
}

TEST(HtmlReport, every_section_has_its_figures) {
    const std::string text = html(sample_report());
    EXPECT_THAT(text, HasSubstr("<th scope=\"row\">anchorhold</th><td>3</td><td>20.00</td>"));
    EXPECT_THAT(text, HasSubstr("<th scope=\"row\">kvm.exits</th><td>200</td>"));
    EXPECT_THAT(text,
                HasSubstr("<th scope=\"row\">restored</th><td>2</td><td>2</td><td>8.00</td>"));
    EXPECT_THAT(text, HasSubstr("<td>10</td><td>4.00 (3.00)</td>"));
    EXPECT_THAT(text, HasSubstr("anchorhold bench start --image &#39;a b&#39;"));
    EXPECT_THAT(text, HasSubstr("aria-label=\"Memory of one idle sandbox"));
}

TEST(HtmlReport, text_from_outside_cannot_break_the_markup) {
    const std::string hostile = "</td><script>\"'&";
    Report report = sample_report();
    report.environment.cpu = report.work.image = report.environment.version = hostile;
    report.work.command = {hostile};
    report.variants[0].description.name = hostile;
    report.variants[0].description.configuration = hostile + "\nsecond line";
    report.variants[0].starts[0].counters[hostile] = 1;
    report.variants[0].starts[1].counters[hostile] = 1;
    report.rushes[0].error = report.idle[0].error = report.command_line = hostile;
    const std::string text = html(report);
    EXPECT_THAT(text, Not(HasSubstr("<script")));
    EXPECT_THAT(text, HasSubstr("&lt;/td&gt;&lt;script&gt;&quot;&#39;&amp;\nsecond line</pre>"));
}

TEST(HtmlReport, report_of_nothing_is_a_page) {
    const std::string text = html(Report{});
    EXPECT_THAT(text, HasSubstr("What was measured"));
    EXPECT_THAT(text, Not(HasSubstr("Many at once")));
}

}  // namespace
}  // namespace anchorhold::bench
