#include "bench/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_report.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Table, report_with_a_peer_shows_phases_and_ratios) {
    const std::string text = table(sample_report());
    EXPECT_THAT(text, HasSubstr("anchorhold, 3 starts, virtual ms"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "  kernel: to init's first statement                   10.00    20.00    30.00\n"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "  VMM's private memory, idle, MiB                      1.00     2.00     3.00\n"));
    EXPECT_THAT(text, HasSubstr("qemu against anchorhold, medians, virtual ms"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "  exec of the VMM to the agent's first instruction    36.00   144.00    4.00x\n"));
}

TEST(Table, peer_that_tells_nothing_has_no_line_for_its_kernel) {
    const std::string text = table(sample_report());
    const std::string qemu = text.substr(text.find("qemu, 3 starts"));
    EXPECT_THAT(qemu, Not(HasSubstr("kernel:")));
    EXPECT_THAT(qemu, HasSubstr("init: until it is ready"));
}

TEST(Table, host_clock_is_not_called_virtual) {
    Report report = sample_report();
    report.environment.clock = "host";
    EXPECT_THAT(table(report), Not(HasSubstr("virtual")));
}

}  // namespace
}  // namespace anchorhold::bench
