// StreamOpen: only its form is judged.
#include "proxy/connection.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

using namespace std::string_literals;

proto::StreamOpen to_host(const std::string& host, uint32_t port = 443) {
    proto::StreamOpen claim;
    claim.set_host(host);
    claim.set_port(port);
    return claim;
}
proto::StreamOpen to_address(const std::string& address) {
    proto::StreamOpen claim;
    claim.set_address(address);
    claim.set_port(443);
    return claim;
}

TEST(Connection, name_is_taken_in_its_strict_form) {
    const auto connection = connection_of(7, to_host("API.Example.com."));
    ASSERT_TRUE(connection);
    EXPECT_EQ(connection->stream, 7U);
    EXPECT_EQ(connection->host, "api.example.com");
    EXPECT_EQ(connection->name(), "api.example.com");
}

TEST(Connection, address_is_named_by_its_text) {
    EXPECT_EQ(connection_of(1, to_address("\x0a\0\0\x01"s))->name(), "10.0.0.1");
    EXPECT_EQ(connection_of(1, to_address(std::string(15, '\0') + "\x01"))->name(), "::1");
}

TEST(Connection, without_a_claim_has_no_name) {
    EXPECT_EQ(Connection().name(), "");
}

TEST(Connection, claims_without_form_are_refused) {
    const proto::StreamOpen claims[] = {
        {},
        to_host("", 443),
        to_host("a.example.com", 0),
        to_host("a.example.com", 65536),
        to_host("a.example.com", 0xffffffff),
        to_host("a_b.example.com"),
        to_host("a.example.com\0"s),
        to_host("10.0.0.1"),
        to_host("[::1]"),
        to_address(""),
        to_address("\x7f\0\0\x01\0"s),
        to_address(std::string(17, '\0')),
    };
    for (const proto::StreamOpen& claim : claims) {
        EXPECT_FALSE(connection_of(1, claim)) << claim.SerializeAsString();
    }
}

TEST(Connection, program_name_is_bounded) {
    proto::StreamOpen claim = to_host("a.example.com");
    claim.set_exe(std::string(4000, 'x'));
    EXPECT_EQ(connection_of(1, claim)->claim.exe().size(), 255U);
}

}  // namespace
}  // namespace anchorhold::proxy
