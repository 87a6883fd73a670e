// Names, patterns and lists.
#include "dialer/destinations.h"

#include <gtest/gtest.h>

namespace anchorhold::dialer {
namespace {

proto::Destination host(const std::string& name, std::vector<uint32_t> ports,
                        std::vector<std::string> ranges = {}) {
    proto::Destination destination;
    destination.set_host(name);
    destination.mutable_ports()->Add(ports.begin(), ports.end());
    destination.mutable_private_ranges()->Assign(ranges.begin(), ranges.end());
    return destination;
}

proto::Destination range(const std::string& cidr, std::vector<uint32_t> ports) {
    proto::Destination destination;
    destination.set_cidr(cidr);
    destination.mutable_ports()->Add(ports.begin(), ports.end());
    return destination;
}

Destinations list(std::vector<proto::Destination> entries) {
    proto::AddClient add;
    add.mutable_destinations()->Assign(entries.begin(), entries.end());
    Destinations destinations;
    EXPECT_TRUE(destinations.add(add));
    return destinations;
}

TEST(PlainNameTest, names_are_letters_digits_hyphens_and_dots) {
    for (const char* name :
         {"a", "example.com", "xn--bcher-kva.example", "1password.com", "a-b.c", "0xyz.example"}) {
        EXPECT_TRUE(is_plain_name(name)) << name;
    }
    const std::string long_label(64, 'a');
    for (const std::string& name : {std::string(),
                                    std::string("."),
                                    std::string("a."),
                                    std::string(".a"),
                                    std::string("a..b"),
                                    std::string("Example.com"),
                                    std::string("a_b.c"),
                                    std::string("-a.b"),
                                    std::string("a-.b"),
                                    std::string("a b"),
                                    std::string("a\0b", 3),
                                    std::string("127.1"),
                                    std::string("2130706433"),
                                    std::string("0x7f000001"),
                                    std::string("a.0x7f"),
                                    std::string("a.1"),
                                    std::string("[::1]"),
                                    std::string("::1"),
                                    std::string("a%31"),
                                    std::string("b\xc3\xbc.de"),
                                    long_label,
                                    std::string(254, 'a')}) {
        EXPECT_FALSE(is_plain_name(name)) << name;
    }
}

TEST(NamePatternTest, suffix_matches_what_is_below_it_and_not_itself) {
    const NamePattern pattern = NamePattern::parse("*.example.com").value();
    EXPECT_TRUE(pattern.matches("a.example.com"));
    EXPECT_TRUE(pattern.matches("a.b.example.com"));
    EXPECT_FALSE(pattern.matches("example.com"));
    EXPECT_FALSE(pattern.matches("badexample.com"));
    EXPECT_FALSE(pattern.matches("a.example.com.evil"));
}

TEST(NamePatternTest, malformed_pattern_is_an_error) {
    for (const char* text : {"", "*.", "*a.com", "a.*.com", "**", "*.1", "A.com"}) {
        EXPECT_FALSE(NamePattern::parse(text)) << text;
    }
}

TEST(DestinationsTest, name_and_port_must_both_be_listed) {
    const Destinations destinations = list({host("a.example", {443}), host("b.example", {})});
    EXPECT_TRUE(destinations.match_name("a.example", 443));
    EXPECT_FALSE(destinations.match_name("a.example", 80));
    EXPECT_FALSE(destinations.match_name("b.example", 443));
    EXPECT_FALSE(destinations.match_name("c.example", 443));
}

TEST(DestinationsTest, any_name_is_no_address) {
    const Destinations destinations = list({host("*", {443})});
    EXPECT_TRUE(destinations.match_name("a.example", 443));
    EXPECT_FALSE(destinations.match_address(IpAddress::parse("8.8.8.8").value(), 443));
}

TEST(DestinationsTest, address_matches_ranges_only) {
    const Destinations destinations = list({range("8.8.0.0/16", {53, 443})});
    EXPECT_TRUE(destinations.match_address(IpAddress::parse("8.8.4.4").value(), 53));
    EXPECT_TRUE(destinations.match_address(IpAddress::parse("::ffff:8.8.4.4").value(), 53));
    EXPECT_FALSE(destinations.match_address(IpAddress::parse("8.9.4.4").value(), 53));
    EXPECT_FALSE(destinations.match_address(IpAddress::parse("8.8.4.4").value(), 54));
    EXPECT_FALSE(destinations.match_name("a.example", 443));
}

TEST(DestinationsTest, private_ranges_are_those_of_what_matches) {
    const Destinations destinations =
        list({host("a.example", {443}, {"10.0.0.0/8"}), host("*.example", {443}, {"fd00::/8"}),
              host("b.example", {443}, {"127.0.0.0/8"})});
    EXPECT_EQ(destinations.match_name("a.example", 443)->size(), 2U);
    EXPECT_EQ(destinations.match_name("c.example", 443)->size(), 1U);
}

TEST(DestinationsTest, malformed_destination_refuses_the_whole_packet) {
    proto::Destination both = host("a.example", {443});
    both.set_cidr("8.8.8.8/32");
    for (const proto::Destination& bad :
         {both, proto::Destination(), host("A", {443}), host("a.example", {0}),
          host("a.example", {65536}), host("a.example", {443}, {"ten"}),
          range("8.8.8.8/40", {1})}) {
        proto::AddClient add;
        *add.add_destinations() = host("good.example", {443});
        *add.add_destinations() = bad;
        Destinations destinations;
        EXPECT_FALSE(destinations.add(add));
        EXPECT_FALSE(destinations.match_name("good.example", 443));
    }
}

}  // namespace
}  // namespace anchorhold::dialer
