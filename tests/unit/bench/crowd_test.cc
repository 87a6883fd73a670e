#include "bench/crowd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_variant.h"

namespace anchorhold::bench {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// A crowd of fakes; the one numbered `broken` fails.
class CrowdTest : public testing::Test {
  protected:
    CrowdTest() : loop_(std::move(*EventLoop::create())) {
        request_.count = 3;
        request_.make = [this] {
            auto variant = std::make_unique<FakeVariant>(*loop_, "ours", "x");
            if (made_++ == broken_) {
                variant->failure = "no such device";
            }
            return variant;
        };
    }

    std::unique_ptr<EventLoop> loop_;
    CrowdRequest request_;
    int made_ = 0;
    int broken_ = -1;
};

TEST_F(CrowdTest, all_that_answer_are_timed_from_one_moment) {
    const auto rush = start_at_once(*loop_, request_);
    ASSERT_TRUE(rush) << rush.error().message;
    EXPECT_EQ(rush->count, 3U);
    ASSERT_EQ(rush->to_first_byte.size(), 3U);
    EXPECT_LE(rush->to_first_byte[0], rush->to_first_byte[2]);
    EXPECT_THAT(rush->error, IsEmpty());
}

TEST_F(CrowdTest, one_that_fails_is_counted_and_named) {
    broken_ = 1;
    const auto rush = start_at_once(*loop_, request_);
    ASSERT_TRUE(rush) << rush.error().message;
    EXPECT_EQ(rush->to_first_byte.size(), 2U);
    EXPECT_THAT(rush->error, HasSubstr("no such device"));
}

TEST_F(CrowdTest, idle_ones_are_summed) {
    const auto crowd = keep_idle(*loop_, request_);
    ASSERT_TRUE(crowd) << crowd.error().message;
    EXPECT_EQ(crowd->answered, 3U);
    EXPECT_GT(crowd->private_bytes, 0U);
    EXPECT_GE(crowd->pss_bytes, crowd->private_bytes);
}

}  // namespace
}  // namespace anchorhold::bench
