// Names and their addresses.
#include "guest-init/egress/synthetic_names.h"

#include <gtest/gtest.h>

namespace anchorhold::guest_init {
namespace {

TEST(SyntheticNames, address_is_stable_and_leads_back) {
    SyntheticNames names;
    const auto a = names.address_of("a.example").value();
    const auto b = names.address_of("b.example").value();
    EXPECT_NE(a, b);
    EXPECT_EQ(names.address_of("a.example"), a);
    EXPECT_EQ(names.name_of(a), "a.example");
    EXPECT_EQ(names.name_of(b), "b.example");
    EXPECT_TRUE(SyntheticNames::in_range(a));
    EXPECT_EQ(a, (Ipv4Address{198, 18, 0, 2}));
}

TEST(SyntheticNames, range_is_a_15) {
    EXPECT_TRUE(SyntheticNames::in_range({198, 19, 255, 255}));
    EXPECT_FALSE(SyntheticNames::in_range({198, 17, 255, 255}));
    EXPECT_FALSE(SyntheticNames::in_range({198, 20, 0, 0}));
}

TEST(SyntheticNames, full_table_forgets_the_one_unused_for_longest) {
    SyntheticNames names(2);
    const auto a = names.address_of("a").value();
    const auto b = names.address_of("b").value();
    EXPECT_EQ(names.name_of(a), "a");  // a use
    const auto c = names.address_of("c").value();
    EXPECT_EQ(names.name_of(b), std::nullopt);
    EXPECT_EQ(names.name_of(a), "a");
    EXPECT_EQ(names.name_of(c), "c");
    EXPECT_NE(c, b) << "an address must not change its meaning soon";
    EXPECT_EQ(names.size(), 2U);
}

TEST(SyntheticNames, name_in_use_stays) {
    SyntheticNames names(2);
    const auto a = names.address_of("a").value();
    names.hold(a);
    const auto b = names.address_of("b").value();
    names.hold(b);
    EXPECT_EQ(names.address_of("c"), std::nullopt);
    names.release(a);
    EXPECT_TRUE(names.address_of("c"));
    EXPECT_EQ(names.name_of(a), std::nullopt);
    EXPECT_EQ(names.name_of(b), "b");
}

TEST(SyntheticNames, addresses_come_back_only_after_all_others) {
    SyntheticNames names(16);
    const auto first = names.address_of("first").value();
    size_t others = 0;
    while (names.address_of("n" + std::to_string(others)).value() != first) {
        ASSERT_LT(++others, size_t{1} << 17);
    }
    EXPECT_GT(others, 130'000U);
}

}  // namespace
}  // namespace anchorhold::guest_init
