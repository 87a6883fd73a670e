// The reader of ClientHello: tables of raw bytes.
#include "proxy/client_hello.h"

#include <gtest/gtest.h>

#include "window/raw_hello.h"

namespace anchorhold::proxy {
namespace {

using namespace std::string_literals;
using window_test::RawHello;
using window_test::server_name;
using window_test::vector_of;

auto parse(std::string_view bytes) {
    return parse_client_hello(std::as_bytes(std::span(bytes)));
}

TEST(ClientHello, name_protocols_and_early_data_are_read) {
    const auto hello = parse(RawHello()
                                 .with_name("a.example.com")
                                 .with(16, vector_of(vector_of("h2", 1) + vector_of("x", 1), 2))
                                 .with(42, "")
                                 .records());
    ASSERT_TRUE(hello && *hello);
    EXPECT_EQ((*hello)->server_name, "a.example.com");
    EXPECT_EQ((*hello)->alpn, (std::vector<std::string>{"h2", "x"}));
    EXPECT_TRUE((*hello)->early_data);
}

TEST(ClientHello, every_cut_of_it_needs_more_and_the_whole_is_read) {
    for (const size_t record : {1, 3, 100, 16384}) {
        const std::string bytes = RawHello().with_name("a.example.com").records(record);
        for (size_t size = 0; size < bytes.size(); ++size) {
            const auto part = parse(std::string_view(bytes).substr(0, size));
            ASSERT_TRUE(part) << size << ": " << part.error().message;
            EXPECT_FALSE(*part) << size;
        }
        const auto whole = parse(bytes);
        ASSERT_TRUE(whole && *whole);
        EXPECT_EQ((*whole)->server_name, "a.example.com");
    }
}

TEST(ClientHello, grease_and_unknown_extensions_are_passed_over) {
    const auto hello = parse(RawHello()
                                 .with(0x0a0a, "")
                                 .with(0xfe0d, std::string(200, 'e'))
                                 .with_name("a.example.com")
                                 .with(0xfafa, "x")
                                 .records());
    ASSERT_TRUE(hello && *hello);
    EXPECT_EQ((*hello)->server_name, "a.example.com");
}

TEST(ClientHello, malformed_bytes_are_refused) {
    const struct {
        const char* name;
        std::string bytes;
    } cases[] = {
        {"no handshake", "\x17\x03\x03\0\x01x"s},
        {"empty record", "\x16\x03\x01\0\0"s},
        {"record over 16 KiB", "\x16\x03\x01\x40\x01"s},
        {"ServerHello", "\x16\x03\x01\0\x04\x02\0\0\0"s},
        {"message over 64 KiB", "\x16\x03\x01\0\x04\x01\x01\0\x01"s},
        {"a message behind it",
         "\x16\x03\x01" + vector_of(RawHello().message() + RawHello().message(), 2)},
        {"two server names", RawHello().with_name("a").with_name("b").records()},
        {"two ALPN", RawHello().with(16, "\0\x02\x01x"s).with(16, "\0\x02\x01x"s).records()},
        {"name of type 1", RawHello().with(0, server_name("a", 1)).records()},
        {"empty name", RawHello().with_name("").records()},
        {"bytes behind the name list",
         RawHello().with(0, server_name("a.example.com") + "x").records()},
        {"ALPN without protocols", RawHello().with(16, "\0\0"s).records()},
        {"ALPN with an empty protocol", RawHello().with(16, "\0\x01\0"s).records()},
        {"ALPN longer than it is", RawHello().with(16, "\0\x09\x02h2"s).records()},
        {"too short for its fields", "\x16\x03\x01\0\x05\x01\0\0\x01\x03"s},
    };
    for (const auto& each : cases) {
        EXPECT_FALSE(parse(each.bytes)) << each.name;
    }
}

TEST(ClientHello, more_than_256_extensions_are_refused) {
    RawHello hello;
    for (uint16_t type = 0x100; type < 0x100 + 257; ++type) {
        hello.with(type, "");
    }
    EXPECT_FALSE(parse(hello.records()));
}

}  // namespace
}  // namespace anchorhold::proxy
