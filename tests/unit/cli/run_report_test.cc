// The last line of a run: one, on standard error, in either form.
#include "cli/run_report.h"

#include <gtest/gtest.h>

#include <string>

namespace anchorhold::cli {
namespace {

std::string printed(const RunReport& report, bool json,
                    const supervisor::Timeline* timeline = nullptr) {
    testing::internal::CaptureStderr();
    report.print(json, timeline);
    return testing::internal::GetCapturedStderr();
}

TEST(RunReport, for_people_says_only_what_failed) {
    RunReport report;
    EXPECT_EQ(printed(report, false), "");
    report.status = 125;
    report.error = "image x: truncated";
    EXPECT_EQ(printed(report, false), "anchorhold: image x: truncated\n");
}

TEST(RunReport, as_json_is_one_line_with_null_for_what_is_not_known) {
    RunReport report;
    EXPECT_EQ(printed(report, true),
              "{\"exit_status\":0,\"signal\":null,\"out_of_memory\":false,\"error\":null}\n");
    report.status = 137;
    report.take(exec::Exited{0, 9, true});
    report.error = "two\nlines \"quoted\" \xff";
    EXPECT_EQ(printed(report, true),
              "{\"exit_status\":137,\"signal\":9,\"out_of_memory\":true,\"error\":\"two\\nlines "
              "\\\"quoted\\\" "
              "\\ufffd\"}\n");
}

TEST(RunReport, phases_are_milliseconds_between_known_moments) {
    supervisor::Timeline timeline;
    timeline.requested = 1'000'000;
    timeline.spawned = 2'500'000;
    timeline.configured = 2'500'900;
    timeline.created = 2'000'000;  // before the phase began: the guest's or the VMM's nonsense
    timeline.first_byte = 101'000'000;
    EXPECT_EQ(printed(RunReport(), true, &timeline),
              "{\"exit_status\":0,\"signal\":null,\"out_of_memory\":false,\"error\":null,"
              "\"milliseconds\":{"
              "\"prepare\":1.5,\"spawn\":0.0,\"create\":null,\"load\":null,\"kernel\":null,"
              "\"init\":null,\"exec\":null,"
              "\"first_byte\":100.0}}\n");
}

TEST(ConsoleText, nothing_that_a_guest_prints_is_obeyed) {
    EXPECT_EQ(console_text("[ 0.1] hello\r\n"), "[ 0.1] hello\n");
    EXPECT_EQ(console_text("\x1b]0;owned\x07 a\rb\n"), "\\x1b]0;owned\\x07 a\\x0db\n");
    EXPECT_EQ(console_text(std::string(1024, 'x')), std::string(1024, 'x'));
    EXPECT_EQ(console_text("\n"), "\n");
    EXPECT_EQ(console_text(""), "");
}

}  // namespace
}  // namespace anchorhold::cli
