// Arithmetic that remembers having left its range.
#include "base/checked_math.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace anchorhold {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(Checked, results_within_range_are_values) {
    static_assert((Checked<uint64_t>(kMax - 1) + 1U).value() == kMax);
    EXPECT_EQ((Checked<uint64_t>(5) - 5U).value(), 0U);
    EXPECT_EQ((Checked<uint64_t>(1) * kMax).value(), kMax);
    EXPECT_EQ((Checked<uint64_t>(kMax) * 0U).value(), 0U);
    EXPECT_EQ(Checked<uint64_t>(kMax).value(), kMax);
}

TEST(Checked, results_beyond_range_are_nothing) {
    EXPECT_FALSE((Checked<uint64_t>(kMax) + 1U).value());
    EXPECT_FALSE((Checked<uint64_t>(0) - 1U).value());
    EXPECT_FALSE((Checked<uint64_t>(uint64_t{1} << 32) * (uint64_t{1} << 32)).value());
}

TEST(Checked, overflow_is_not_undone_by_later_steps) {
    EXPECT_FALSE((Checked<uint64_t>(kMax) + 1U - 1U).value());
    EXPECT_FALSE((Checked<uint64_t>(0) - 1U + 1U).value());
    EXPECT_FALSE(((Checked<uint64_t>(kMax) + 1U) * 0U).value());
}

TEST(Checked, overflow_of_either_operand_spreads) {
    const auto overflowed = Checked<uint64_t>(kMax) + 1U;
    EXPECT_FALSE((Checked<uint64_t>(1) + overflowed).value());
    EXPECT_FALSE((overflowed + Checked<uint64_t>(1)).value());
    EXPECT_FALSE((Checked<uint64_t>(5) - overflowed).value());
    EXPECT_FALSE((Checked<uint64_t>(0) * overflowed).value());
}

// Promotion to int must not hide the overflow of a narrow type.
TEST(Checked, narrow_types_overflow_at_their_own_width) {
    EXPECT_EQ((Checked<uint8_t>(200) + uint8_t{55}).value(), uint8_t{255});
    EXPECT_FALSE((Checked<uint8_t>(200) + uint8_t{56}).value());
    EXPECT_FALSE((Checked<uint16_t>(256) * uint16_t{256}).value());
    EXPECT_FALSE((Checked<uint32_t>(1) - 2U).value());
}

}  // namespace
}  // namespace anchorhold
