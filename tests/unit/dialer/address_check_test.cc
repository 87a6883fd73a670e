// Every form of every address that nobody may reach, and what policy can name.
#include "dialer/address_check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fakes/manual_clock.h"

namespace anchorhold::dialer {
namespace {

using namespace std::chrono_literals;

IpAddress address(std::string_view text) {
    return IpAddress::parse(text).value();
}

struct Case {
    const char* text;
    Reach reach;
};

class StandingTest : public testing::TestWithParam<Case> {};

TEST_P(StandingTest, address_of_the_table_has_its_reach) {
    EXPECT_EQ(standing_of(address(GetParam().text)).reach, GetParam().reach) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    open, StandingTest,
    testing::Values(Case{"1.1.1.1", Reach::open}, Case{"8.8.8.8", Reach::open},
                    Case{"9.255.255.255", Reach::open}, Case{"11.0.0.0", Reach::open},
                    Case{"100.63.255.255", Reach::open}, Case{"100.128.0.0", Reach::open},
                    Case{"172.15.255.255", Reach::open}, Case{"172.32.0.0", Reach::open},
                    Case{"192.167.255.255", Reach::open}, Case{"192.0.1.0", Reach::open},
                    Case{"198.17.255.255", Reach::open}, Case{"198.20.0.0", Reach::open},
                    Case{"168.63.129.15", Reach::open}, Case{"223.255.255.255", Reach::open},
                    Case{"::ffff:8.8.8.8", Reach::open}, Case{"2606:4700::1111", Reach::open},
                    Case{"2a00:1450:4001::200e", Reach::open},
                    Case{"64:ff9b::8.8.8.8", Reach::open}, Case{"2001:200::1", Reach::open}));

INSTANTIATE_TEST_SUITE_P(
    v4, StandingTest,
    testing::Values(Case{"0.0.0.0", Reach::never}, Case{"0.1.2.3", Reach::never},
                    Case{"10.0.0.1", Reach::named}, Case{"10.255.255.255", Reach::named},
                    Case{"100.64.0.0", Reach::named}, Case{"100.127.255.255", Reach::named},
                    Case{"100.100.100.200", Reach::exactly}, Case{"127.0.0.1", Reach::named},
                    Case{"127.255.255.254", Reach::named}, Case{"168.63.129.16", Reach::exactly},
                    Case{"169.254.169.254", Reach::exactly}, Case{"169.254.170.2", Reach::exactly},
                    Case{"169.254.0.1", Reach::named}, Case{"172.16.0.1", Reach::named},
                    Case{"172.31.255.255", Reach::named}, Case{"192.0.0.8", Reach::named},
                    Case{"192.0.0.192", Reach::exactly}, Case{"192.0.2.1", Reach::named},
                    Case{"192.88.99.1", Reach::named}, Case{"192.168.1.1", Reach::named},
                    Case{"198.18.0.1", Reach::named}, Case{"198.19.255.255", Reach::named},
                    Case{"198.51.100.7", Reach::named}, Case{"203.0.113.9", Reach::named},
                    Case{"224.0.0.1", Reach::never}, Case{"239.255.255.255", Reach::never},
                    Case{"240.0.0.1", Reach::named}, Case{"255.255.255.255", Reach::never}));

INSTANTIATE_TEST_SUITE_P(
    v6, StandingTest,
    testing::Values(Case{"::", Reach::never}, Case{"::1", Reach::named},
                    Case{"ff02::1", Reach::never}, Case{"fe80::1", Reach::never},
                    Case{"febf::1", Reach::never}, Case{"fec0::1", Reach::named},
                    Case{"fc00::1", Reach::named}, Case{"fd12:3456::1", Reach::named},
                    Case{"fd00:ec2::254", Reach::exactly}, Case{"fd20:ce::254", Reach::exactly},
                    Case{"100::1", Reach::named}, Case{"2001:db8::1", Reach::named},
                    Case{"3fff::1", Reach::named}, Case{"5f00::1", Reach::named},
                    Case{"4000::1", Reach::named}, Case{"2001:10::1", Reach::named},
                    Case{"::ffff:0:7f00:1", Reach::named}));

INSTANTIATE_TEST_SUITE_P(
    v4_inside_v6, StandingTest,
    testing::Values(
        // mapped
        Case{"::ffff:127.0.0.1", Reach::named}, Case{"::ffff:10.1.2.3", Reach::named},
        Case{"::ffff:169.254.169.254", Reach::exactly}, Case{"::ffff:0.0.0.0", Reach::never},
        Case{"::ffff:7f00:1", Reach::named}, Case{"::ffff:224.0.0.1", Reach::never},
        // compatible
        Case{"::127.0.0.1", Reach::never}, Case{"::10.0.0.1", Reach::never},
        Case{"::8.8.8.8", Reach::never},
        // NAT64
        Case{"64:ff9b::127.0.0.1", Reach::named}, Case{"64:ff9b::10.0.0.1", Reach::named},
        Case{"64:ff9b::a9fe:a9fe", Reach::exactly}, Case{"64:ff9b::168.63.129.16", Reach::exactly},
        Case{"64:ff9b::0.0.0.0", Reach::never}, Case{"64:ff9b::100.64.0.1", Reach::named},
        Case{"64:ff9b:1::8.8.8.8", Reach::named}, Case{"64:ff9b:1:fffe::1", Reach::named},
        Case{"64:ff9b:0:1::8.8.8.8", Reach::named},
        // 6to4 of 127.0.0.1, 10.0.0.1, 169.254.169.254
        Case{"2002:7f00:1::1", Reach::named}, Case{"2002:a00:1::", Reach::named},
        Case{"2002:a9fe:a9fe::1", Reach::named},
        // Teredo with server and client 127.0.0.1
        Case{"2001:0:7f00:1::80ff:fffe", Reach::named}, Case{"2001::1", Reach::named},
        // ISATAP
        Case{"2606:4700::5efe:10.0.0.1", Reach::named},
        Case{"2606:4700::200:5efe:169.254.169.254", Reach::exactly},
        Case{"2606:4700::5efe:8.8.8.8", Reach::open}));

class AddressCheckTest : public testing::Test {
  protected:
    bool refused(std::string_view text, std::vector<std::string> ranges = {}) {
        std::vector<Cidr> named;
        for (const std::string& range : ranges) {
            named.push_back(Cidr::parse(range).value());
        }
        return check.refusal(address(text), named).has_value();
    }

    fakes::ManualClock clock;
    std::vector<IpAddress> own = {address("9.9.9.1"), address("2606:4700::5")};
    bool broken = false;
    int reads = 0;
    AddressCheck check{HostAddresses(clock, [this]() -> Result<std::vector<IpAddress>> {
        ++reads;
        if (broken) {
            return fail("no netlink");
        }
        return own;
    })};
};

TEST_F(AddressCheckTest, private_address_that_a_range_names_is_dialled) {
    EXPECT_TRUE(refused("10.1.2.3"));
    EXPECT_TRUE(refused("10.1.2.3", {"10.1.3.0/24"}));
    EXPECT_FALSE(refused("10.1.2.3", {"192.168.0.0/16", "10.1.2.0/24"}));
    EXPECT_FALSE(refused("::ffff:10.1.2.3", {"10.1.2.0/24"}));
    EXPECT_FALSE(refused("fd12::1", {"fd00::/8"}));
    EXPECT_TRUE(refused("64:ff9b::10.1.2.3", {"10.1.2.0/24"}));
    EXPECT_FALSE(refused("64:ff9b::10.1.2.3", {"64:ff9b::a01:203/128"}));
}

TEST_F(AddressCheckTest, metadata_service_needs_its_very_address) {
    EXPECT_TRUE(refused("169.254.169.254", {"169.254.0.0/16", "0.0.0.0/0"}));
    EXPECT_FALSE(refused("169.254.169.254", {"169.254.169.254/32"}));
    EXPECT_TRUE(refused("fd00:ec2::254", {"fd00::/8"}));
    EXPECT_FALSE(refused("fd00:ec2::254", {"fd00:ec2::254"}));
}

TEST_F(AddressCheckTest, address_that_means_this_host_by_accident_stays_refused_when_named) {
    EXPECT_TRUE(refused("0.0.0.0", {"0.0.0.0/0", "0.0.0.0/32"}));
    EXPECT_TRUE(refused("::", {"::/0", "::/128"}));
    EXPECT_TRUE(refused("224.0.0.1", {"0.0.0.0/0"}));
}

TEST_F(AddressCheckTest, own_address_of_the_host_in_any_form_is_refused) {
    EXPECT_TRUE(refused("9.9.9.1"));
    EXPECT_TRUE(refused("::ffff:9.9.9.1"));
    EXPECT_TRUE(refused("64:ff9b::9.9.9.1"));
    EXPECT_TRUE(refused("2606:4700::5"));
    EXPECT_FALSE(refused("9.9.9.2"));
    EXPECT_FALSE(refused("9.9.9.1", {"9.9.9.1/32"}));
}

TEST_F(AddressCheckTest, own_addresses_are_read_again_after_a_second) {
    EXPECT_FALSE(refused("9.9.9.7"));
    own.push_back(address("9.9.9.7"));
    EXPECT_FALSE(refused("9.9.9.7"));
    EXPECT_EQ(reads, 1);
    clock.advance(1s);
    EXPECT_TRUE(refused("9.9.9.7"));
    EXPECT_EQ(reads, 2);
}

TEST_F(AddressCheckTest, own_addresses_unreadable_refuses_everything_public) {
    broken = true;
    EXPECT_TRUE(refused("8.8.8.8"));
}

TEST(HostAddressesTest, real_host_lists_its_loopback_address) {
    const auto addresses = read_host_addresses().value();
    EXPECT_NE(std::find(addresses.begin(), addresses.end(), address("127.0.0.1")), addresses.end());
}

TEST(CidrTest, text_that_is_no_range_is_an_error) {
    for (const char* text : {"", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1",
                             "10.0.0.0/8x", "::ffff:10.0.0.0/8", "a", "10.0.0.0/ 8"}) {
        EXPECT_FALSE(Cidr::parse(text)) << text;
    }
}

TEST(CidrTest, bounds_of_a_range_are_exact) {
    const Cidr range = Cidr::parse("10.1.128.0/17").value();
    EXPECT_TRUE(range.contains(address("10.1.128.0")));
    EXPECT_TRUE(range.contains(address("10.1.255.255")));
    EXPECT_FALSE(range.contains(address("10.1.127.255")));
    EXPECT_FALSE(range.contains(address("10.2.128.0")));
    EXPECT_FALSE(range.contains(address("2001:db8::1")));
    EXPECT_TRUE(Cidr::parse("::ffff:10.0.0.0/104").value().contains(address("10.9.9.9")));
}

}  // namespace
}  // namespace anchorhold::dialer
