#include "bench/statistics.h"

#include <gtest/gtest.h>

namespace anchorhold::bench {
namespace {

TEST(Statistics, percentile_of_a_table_is_the_nearest_rank) {
    struct Case {
        std::vector<uint64_t> sorted;
        unsigned percent;
        uint64_t expected;
    };
    const std::vector<uint64_t> twenty_one = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                              12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
    const Case cases[] = {
        {{7}, 1, 7},          {{7}, 50, 7},         {{7}, 100, 7},         {{1, 9}, 50, 1},
        {{1, 9}, 51, 9},      {{1, 2, 3}, 50, 2},   {{1, 2, 3}, 99, 3},    {twenty_one, 50, 11},
        {twenty_one, 99, 21}, {twenty_one, 90, 19}, {twenty_one, 100, 21},
    };
    for (const Case& one : cases) {
        EXPECT_EQ(percentile(one.sorted, one.percent), one.expected)
            << one.percent << " of " << one.sorted.size();
    }
}

TEST(Statistics, summary_of_unsorted_samples_orders_them) {
    const auto summary = summarise({30, 10, 20});
    ASSERT_TRUE(summary.has_value());
    EXPECT_EQ(summary->min, 10U);
    EXPECT_EQ(summary->p50, 20U);
    EXPECT_EQ(summary->p99, 30U);
    EXPECT_EQ(summary->max, 30U);
}

TEST(Statistics, summary_of_no_samples_is_none) {
    EXPECT_FALSE(summarise({}).has_value());
}

}  // namespace
}  // namespace anchorhold::bench
