#include "policy/host_name.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

using std::string_literals::operator""s;

TEST(host_name, strict_name_is_in_lower_case_without_the_last_dot) {
    EXPECT_EQ(*strict_host_name("API.Example.COM."), "api.example.com");
    EXPECT_EQ(*strict_host_name("localhost"), "localhost");
    EXPECT_EQ(*strict_host_name("xn--bcher-kva.example"), "xn--bcher-kva.example");
    EXPECT_EQ(*strict_host_name("1.2.3.4a"), "1.2.3.4a");
    EXPECT_EQ(*strict_host_name("0x1.example"), "0x1.example");
}

TEST(host_name, anything_else_is_refused) {
    const std::string label(64, 'a');
    const std::string refused[] = {"",
                                   ".",
                                   "a..b",
                                   ".a",
                                   "a..",
                                   "a_b.example",
                                   "-a.example",
                                   "a-.example",
                                   "a b",
                                   "a\0b"s,
                                   "b\xc3\xbc"
                                   "cher.example",
                                   "1.2.3.4",
                                   "127.1",
                                   "2130706433",
                                   "0x7f.1",
                                   "127.0x1",
                                   "a.0x",
                                   "a.0XAB",
                                   "example.com/",
                                   "example.com:443",
                                   "user@example.com",
                                   "%65xample.com",
                                   "*.example.com",
                                   label,
                                   "a." + label + ".example",
                                   std::string(127, 'a') + "." + std::string(127, 'b')};
    for (const std::string& name : refused) {
        EXPECT_FALSE(strict_host_name(name)) << name;
    }
}

TEST(host_name, longest_name_and_label_are_taken) {
    const std::string label(63, 'a');
    EXPECT_TRUE(strict_host_name(label));
    const std::string name = label + "." + label + "." + label + "." + std::string(61, 'a');
    ASSERT_EQ(name.size(), 253U);
    EXPECT_TRUE(strict_host_name(name));
    EXPECT_TRUE(strict_host_name(name + "."));
    EXPECT_FALSE(strict_host_name(name + "a"));
}

TEST(authority, has_one_host_and_perhaps_a_port) {
    struct Case {
        const char* text;
        const char* host;
        bool literal;
        uint16_t port;
    };
    constexpr Case kCases[] = {{"Example.com", "example.com", false, 0},
                               {"example.com.:8443", "example.com", false, 8443},
                               {"192.0.2.1", "192.0.2.1", true, 0},
                               {"192.0.2.1:80", "192.0.2.1", true, 80},
                               {"[2001:DB8:0::1]", "2001:db8::1", true, 0},
                               {"[2001:db8::1]:443", "2001:db8::1", true, 443}};
    for (const Case& one : kCases) {
        const auto authority = parse_authority(one.text);
        ASSERT_TRUE(authority) << one.text;
        EXPECT_EQ(authority->host, one.host);
        EXPECT_EQ(authority->literal, one.literal);
        EXPECT_EQ(authority->port, one.port);
    }
}

TEST(authority, anything_else_is_refused) {
    const std::string refused[] = {"",
                                   ":443",
                                   "example.com:",
                                   "example.com:0",
                                   "example.com:0443",
                                   "example.com:65536",
                                   "example.com:99999999999",
                                   "example.com:+1",
                                   "example.com:44 3",
                                   "user@example.com",
                                   "a@b@example.com:443",
                                   "2001:db8::1",
                                   "[2001:db8::1",
                                   "[2001:db8::1]443",
                                   "[192.0.2.1]",
                                   "[example.com]",
                                   "[fe80::1%eth0]",
                                   "192.0.2.01",
                                   "192.0.2",
                                   "example.com, other.com",
                                   "example.com\0"s,
                                   "192.0.2.1\0"s};
    for (const std::string& text : refused) {
        EXPECT_FALSE(parse_authority(text)) << text;
    }
}

}  // namespace
}  // namespace anchorhold::policy
