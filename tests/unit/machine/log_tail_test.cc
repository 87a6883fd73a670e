// The last lines of logs of every shape.
#include "machine/log_tail.h"

#include <gtest/gtest.h>

#include "base/sys.h"
#include "temporary_folder.h"

namespace anchorhold::machine {
namespace {

std::string tail_of(const std::string& text, size_t count) {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/log";
    EXPECT_TRUE(sys::write_file(path, text));
    return last_lines(path, count);
}

TEST(LogTail, missing_file_has_no_lines) {
    EXPECT_EQ(last_lines("/nonexistent/log", 3), "");
}

TEST(LogTail, empty_file_has_no_lines) {
    EXPECT_EQ(tail_of("", 3), "");
}

TEST(LogTail, last_lines_are_joined_and_blank_ones_left_out) {
    EXPECT_EQ(tail_of("one\r\ntwo\r\n\r\n  \nthree\n", 2), "two | three");
}

TEST(LogTail, line_without_an_end_counts) {
    EXPECT_EQ(tail_of("one\ntwo", 1), "two");
}

TEST(LogTail, control_characters_are_escaped) {
    EXPECT_EQ(tail_of("\x1b[31mred\n", 1), "\\x1b[31mred");
}

TEST(LogTail, long_file_gives_its_end) {
    EXPECT_EQ(tail_of(std::string(100'000, 'x') + "\nend\n", 1), "end");
}

}  // namespace
}  // namespace anchorhold::machine
