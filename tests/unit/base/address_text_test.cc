// Four bytes, sixteen bytes, anything else.
#include "base/address_text.h"

#include <gtest/gtest.h>

#include <string_view>

namespace anchorhold {
namespace {

std::string text_of(std::string_view bytes) {
    return address_text(std::as_bytes(std::span(bytes)));
}

TEST(AddressText, four_bytes_are_ipv4) {
    EXPECT_EQ(text_of(std::string_view("\xc0\x00\x02\x07", 4)), "192.0.2.7");
}

TEST(AddressText, sixteen_bytes_are_ipv6) {
    EXPECT_EQ(text_of(std::string_view("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16)),
              "2001:db8::1");
}

TEST(AddressText, other_sizes_are_empty) {
    EXPECT_EQ(text_of(""), "");
    EXPECT_EQ(text_of("12345"), "");
}

}  // namespace
}  // namespace anchorhold
