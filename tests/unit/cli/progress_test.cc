// What is said about something that takes long, and when.
#include "cli/progress.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "base/sys.h"
#include "fakes/manual_clock.h"
#include "pseudo_terminal.h"

namespace anchorhold::cli {
namespace {

using namespace std::chrono_literals;

// This many bytes from the user's end, where the kernel delivers them a little later than they were
// written.
std::string read_from(const OwnFd& user, size_t size) {
    std::string text;
    pollfd entry{user.get(), POLLIN, 0};
    while (text.size() < size && ::poll(&entry, 1, 20'000) == 1) {
        std::array<std::byte, 4096> buffer{};
        const auto count = sys::read_some(user.get(), buffer).value();
        text.append(reinterpret_cast<const char*>(buffer.data()), count.value_or(0));
    }
    return text;
}

class ProgressTest : public testing::Test {
  protected:
    void pass(Duration time) {
        clock.advance(time);
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
};

TEST_F(ProgressTest, what_ends_within_two_seconds_is_not_mentioned) {
    testing::internal::CaptureStderr();
    {
        const Progress progress(*loop, "starting");
        pass(1999ms);
    }
    pass(1h);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(ProgressTest, elsewhere_than_on_a_terminal_it_is_a_line_and_one_with_the_time) {
    testing::internal::CaptureStderr();
    {
        const Progress progress(*loop, "starting");
        pass(2s);
        pass(1s);
        pass(69s);
    }
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "anchorhold: starting…\nanchorhold: starting: 1 min 12 s\n");
}

TEST_F(ProgressTest, on_a_terminal_the_line_is_redrawn_every_second_and_erased) {
    const PseudoTerminal terminal;
    const OwnFd kept = sys::dup_cloexec(2).value();
    ASSERT_GE(::dup2(terminal.program.get(), 2), 0);
    {
        const Progress progress(*loop, "starting");
        pass(2s);
        pass(1s);
        pass(500ms);
    }
    ASSERT_GE(::dup2(kept.get(), 2), 0);
    const std::string expected =
        "\r\x1b[Kanchorhold: starting… 2.0 s\r\x1b[Kanchorhold: starting… 3.0 s\r\x1b[K";
    EXPECT_EQ(read_from(terminal.user, expected.size()), expected);
}

}  // namespace
}  // namespace anchorhold::cli
