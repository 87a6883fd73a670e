#include "policy/host_pattern.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <vector>

namespace anchorhold::policy {
namespace {

std::vector<unsigned char> bytes(const char* text) {
    const bool v6 = std::string_view(text).find(':') != std::string_view::npos;
    std::vector<unsigned char> address(v6 ? 16 : 4);
    EXPECT_EQ(inet_pton(v6 ? AF_INET6 : AF_INET, text, address.data()), 1);
    return address;
}

TEST(address_range, holds_addresses_under_its_prefix) {
    const auto range = AddressRange::parse("192.0.2.128/25");
    ASSERT_TRUE(range);
    EXPECT_TRUE(range->contains(bytes("192.0.2.128")));
    EXPECT_TRUE(range->contains(bytes("::ffff:192.0.2.255")));
    EXPECT_FALSE(range->contains(bytes("192.0.2.127")));
    EXPECT_FALSE(range->contains(bytes("64:ff9b::192.0.2.128")));
    EXPECT_TRUE(range->contains_in_any_form(bytes("64:ff9b::192.0.2.128")));
    // Teredo: the client's address inverted.
    EXPECT_TRUE(range->contains_in_any_form(bytes("2001:0:1:2:3:4:3fff:fd7f")));
    EXPECT_TRUE(AddressRange::parse("0.0.0.0/0")->contains(bytes("255.255.255.255")));
    EXPECT_FALSE(AddressRange::parse("0.0.0.0/0")->contains(bytes("2001:db8::1")));
}

TEST(address_range, is_refused_in_any_other_spelling) {
    for (const char* text : {"", "/8", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/08", "10.0.0.0/-1",
                             "10.0.0.0/", "10/8", "2001:db8::/129", "2001:db8::1/64",
                             "::ffff:10.0.0.0/104", "10.0.0.0/8/8", "example.com"}) {
        EXPECT_FALSE(AddressRange::parse(text)) << text;
    }
}

TEST(host_pattern, is_written_back_as_it_was_read) {
    for (const char* text :
         {"api.example.com", "*.example.com", "*", "192.0.2.0/24", "2001:db8::/32"}) {
        const auto pattern = parse_host_pattern(text);
        ASSERT_TRUE(pattern) << text;
        EXPECT_EQ(host_pattern_text(*pattern), text);
        EXPECT_TRUE(check_host_pattern(*pattern)) << text;
    }
    EXPECT_EQ(host_pattern_text(*parse_host_pattern("192.0.2.1")), "192.0.2.1/32");
    EXPECT_EQ(host_pattern_text(*parse_host_pattern("Example.COM")), "example.com");
}

TEST(host_pattern, is_refused_with_stars_elsewhere_urls_and_ports) {
    for (const char* text : {"", "a.*.com", "*a.example.com", "**.example.com", "*.", "*.1.2.3.4",
                             "https://example.com", "example.com:443", "example.com/a", "a_b"}) {
        EXPECT_FALSE(parse_host_pattern(text)) << text;
    }
}

TEST(host_pattern, covers_and_overlaps) {
    const auto pattern = [](const char* text) { return *parse_host_pattern(text); };
    EXPECT_TRUE(host_covers(pattern("*.a.com"), pattern("x.a.com")));
    EXPECT_TRUE(host_covers(pattern("*.a.com"), pattern("*.x.a.com")));
    EXPECT_TRUE(host_covers(pattern("*.a.com"), pattern("*.a.com")));
    EXPECT_FALSE(host_covers(pattern("*.a.com"), pattern("a.com")));
    EXPECT_FALSE(host_covers(pattern("*.x.a.com"), pattern("*.a.com")));
    EXPECT_FALSE(host_covers(pattern("a.com"), pattern("*.a.com")));
    EXPECT_TRUE(host_covers(pattern("*"), pattern("10.0.0.0/8")));
    EXPECT_FALSE(host_covers(pattern("10.0.0.0/8"), pattern("*")));
    EXPECT_TRUE(host_covers(pattern("10.0.0.0/8"), pattern("10.1.0.0/16")));
    EXPECT_TRUE(hosts_overlap(pattern("*.x.a.com"), pattern("*.a.com")));
    EXPECT_FALSE(hosts_overlap(pattern("*.b.com"), pattern("*.a.com")));
    EXPECT_TRUE(hosts_overlap(pattern("10.1.0.0/16"), pattern("10.0.0.0/8")));
    EXPECT_FALSE(hosts_overlap(pattern("10.1.0.0/16"), pattern("10.2.0.0/16")));
}

}  // namespace
}  // namespace anchorhold::policy
