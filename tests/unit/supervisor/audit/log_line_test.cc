// Lines that are records, and lines that only look like it.
#include "supervisor/audit/log_line.h"

#include "rig.h"

namespace anchorhold::supervisor {
namespace {

TEST(LogLineTest, written_line_is_taken_apart) {
    const AuditRig rig;
    rig.write(1);
    const std::string line = rig.lines().at(1);
    const auto record = parse_log_line(line);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->n, 2U);
    EXPECT_EQ(record->sandbox, "box");
    EXPECT_EQ(record->event, "decision");
    EXPECT_EQ(record->time, "2023-11-14T22:13:20.123456789Z");
    EXPECT_TRUE(line.starts_with(record->maced));
}

TEST(LogLineTest, every_cut_and_every_byte_of_another_kind_is_refused) {
    const AuditRig rig;
    rig.write(1);
    const std::string line = rig.lines().at(1);
    for (size_t size = 0; size < line.size(); ++size) {
        EXPECT_FALSE(parse_log_line(line.substr(0, size))) << size;
    }
    for (size_t i = 0; i < line.size(); ++i) {
        for (const char c : {'\0', '\n', '\x1b', '\x7f', '\xff'}) {
            std::string changed = line;
            changed[i] = c;
            EXPECT_FALSE(parse_log_line(changed)) << i;
        }
    }
    EXPECT_FALSE(parse_log_line(line + " "));
    EXPECT_FALSE(parse_log_line(" " + line));
}

TEST(LogLineTest, number_with_a_leading_zero_or_too_large_is_refused) {
    const AuditRig rig;
    rig.write(1);
    const std::string rest = rig.lines().at(1).substr(6);
    for (const char* number : {"0", "02", "-2", "+2", "18446744073709551616", "2.0", ""}) {
        EXPECT_FALSE(parse_log_line("{\"n\":" + std::string(number) + rest)) << number;
    }
    EXPECT_TRUE(parse_log_line("{\"n\":18446744073709551615" + rest));
}

}  // namespace
}  // namespace anchorhold::supervisor
