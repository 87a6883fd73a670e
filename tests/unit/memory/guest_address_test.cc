#include "memory/guest_address.h"

#include <gtest/gtest.h>

namespace anchorhold::memory {
namespace {

TEST(GuestAddress, plus_within_the_space_adds) {
    EXPECT_EQ(GuestAddress(0x1000).plus(0x234)->value(), 0x1234U);
}

TEST(GuestAddress, plus_past_the_end_is_nothing) {
    EXPECT_FALSE(GuestAddress(UINT64_MAX).plus(1).has_value());
    EXPECT_TRUE(GuestAddress(UINT64_MAX).plus(0).has_value());
}

TEST(GuestAddress, aligned_to_looks_at_low_bits) {
    EXPECT_TRUE(GuestAddress(0x1000).aligned_to(4096));
    EXPECT_FALSE(GuestAddress(0x1002).aligned_to(4));
}

}  // namespace
}  // namespace anchorhold::memory
