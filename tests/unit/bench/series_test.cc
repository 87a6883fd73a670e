#include "bench/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_variant.h"

namespace anchorhold::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SeriesTest : public testing::Test {
  protected:
    SeriesTest() : loop_(std::move(*EventLoop::create())) {}

    FakeVariant& add(std::string name, std::string output) {
        auto variant = std::make_unique<FakeVariant>(*loop_, std::move(name), std::move(output));
        FakeVariant& result = *variant;
        variants_.push_back(std::move(variant));
        return result;
    }

    std::unique_ptr<EventLoop> loop_;
    std::vector<std::unique_ptr<Variant>> variants_;
};

TEST_F(SeriesTest, variants_take_turns_and_the_first_round_is_not_counted) {
    FakeVariant& ours = add("ours", "x");
    add("theirs", "x");
    std::vector<std::string> order;
    SeriesOptions options;
    options.count = 2;
    options.on_progress = [&order](uint32_t, uint32_t, const std::string& next) {
        order.push_back(next);
    };
    const auto results = run_series(*loop_, variants_, options);
    ASSERT_TRUE(results) << results.error().message;
    EXPECT_THAT(order, ElementsAre("ours", "theirs", "ours", "theirs", "ours", "theirs"));
    EXPECT_EQ(ours.starts, 3);
    ASSERT_EQ(results->size(), 2U);
    EXPECT_EQ((*results)[1].description.name, "theirs");
    ASSERT_EQ((*results)[0].starts.size(), 2U);
    EXPECT_EQ((*results)[0].starts[0].times[static_cast<size_t>(Phase::kToAgent)], 7U);
    EXPECT_GT((*results)[0].starts[0].vmm_private_bytes, 0U);
}

TEST_F(SeriesTest, command_that_prints_nothing_ends_the_series) {
    add("ours", "");
    const auto results = run_series(*loop_, variants_, {});
    ASSERT_FALSE(results);
    EXPECT_THAT(results.error().message, HasSubstr("ours: the command printed nothing"));
}

TEST_F(SeriesTest, vmm_that_fails_ends_the_series_with_its_reason) {
    add("ours", "x");
    add("theirs", "x").failure = "no such device";
    const auto results = run_series(*loop_, variants_, {});
    ASSERT_FALSE(results);
    EXPECT_EQ(results.error().message, "theirs: no such device");
}

TEST_F(SeriesTest, start_that_is_late_begins_again_as_often_as_is_allowed) {
    FakeVariant& ours = add("ours", "x");
    ours.silent_starts = 1;
    SeriesOptions options;
    options.count = 1;
    options.patience = std::chrono::milliseconds(200);
    options.late_allowed = 1;
    const auto results = run_series(*loop_, variants_, options);
    ASSERT_TRUE(results) << results.error().message;
    EXPECT_EQ(ours.starts, 3);
    EXPECT_EQ((*results)[0].starts.size(), 1U);
    EXPECT_EQ((*results)[0].late, 1U);

    ours.starts = 0;
    ours.silent_starts = 2;
    const auto late = run_series(*loop_, variants_, options);
    ASSERT_FALSE(late);
    EXPECT_THAT(late.error().message, HasSubstr("ours: it took longer than"));
}

}  // namespace
}  // namespace anchorhold::bench
