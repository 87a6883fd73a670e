// What a guest may say before TLS is up: the name in the ClientHello against the one it connected
// to.
#include <gtest/gtest.h>

#include "window/hostile.h"
#include "window/raw_hello.h"

namespace anchorhold::window_test {
namespace {

using namespace std::string_literals;

struct Hello {
    const char* name;
    std::string bytes;
    const char* reason;
    std::string claim = "api.example.com";
};
void PrintTo(const Hello& hello, std::ostream* out) {
    *out << hello.name;
}

std::string named(std::string_view name) {
    return RawHello().with_name(name).records();
}

class HostileHello : public HostileGuest, public ::testing::WithParamInterface<Hello> {};

TEST_P(HostileHello, ends_the_stream_before_any_answer) {
    const auto stream = window.open(GetParam().claim, 443);
    stream->write(GetParam().bytes);
    EXPECT_EQ(read_to_end(*stream), "");
    window.wait_for_denial(GetParam().reason);
    EXPECT_EQ(upstream.connections(), 0U);
}

const Hello kHellos[] = {
    {"other_name", named("evil.example.com"), "host_mismatch"},
    {"other_granted_name", named("open.example.com"), "host_mismatch"},
    {"granted_name_to_another_claim", named("api.example.com"), "host_mismatch",
     "evil.example.com"},
    {"subdomain", named("x.api.example.com"), "host_mismatch"},
    {"punycode_lookalike", named("xn--pi-7lb.example.com"), "host_mismatch"},
    {"no_name", RawHello().with(10, "\0\x02\0\x1d"s).records(), "no_server_name"},
    {"no_extension", RawHello().records(), "no_server_name"},
    {"nul", named("api.example.com\0.evil.com"s), "bad_name"},
    {"nul_at_the_end", named("api.example.com\0"s), "bad_name"},
    {"two_trailing_dots", named("api.example.com.."), "bad_name"},
    {"leading_dot", named(".api.example.com"), "bad_name"},
    {"underscore", named("api_.example.com"), "bad_name"},
    {"space", named("api.example.com "), "bad_name"},
    {"slash", named("api.example.com/"), "bad_name"},
    {"port", named("api.example.com:443"), "bad_name"},
    {"wildcard", named("*.example.com"), "bad_name"},
    {"bytes_beyond_ascii", named("\xd0\xb0pi.example.com"), "bad_name"},
    {"line_end", named("api.example.com\r\n"), "bad_name"},
    {"hyphen_first", named("-api.example.com"), "bad_name"},
    {"label_of_64", named(std::string(64, 'a') + ".example.com"), "bad_name"},
    {"longer_than_253", named(std::string(260, 'a')), "bad_name"},
    {"address", named("127.0.0.1"), "bad_name"},
    {"decimal_address", named("2130706433"), "bad_name"},
    {"hexadecimal_last_label", named("127.0.0.0x1"), "bad_name"},
    {"address_v6", named("::1"), "bad_name"},
    {"two_names_in_one_extension",
     RawHello()
         .with(0,
               vector_of("\0"s + vector_of("api.example.com", 2) + "\0"s + vector_of("evil.com", 2),
                         2))
         .records(),
     "malformed"},
    {"two_extensions",
     RawHello().with_name("api.example.com").with_name("evil.example.com").records(), "malformed"},
    {"two_equal_extensions",
     RawHello().with_name("api.example.com").with_name("api.example.com").records(), "malformed"},
    {"name_of_another_type", RawHello().with(0, server_name("api.example.com", 1)).records(),
     "malformed"},
    {"empty_name", named(""), "malformed"},
    {"empty_list", RawHello().with(0, vector_of("", 2)).records(), "malformed"},
    {"list_longer_than_the_extension", RawHello().with(0, "\xff\xff"s).records(), "malformed"},
    {"early_data_with_its_data",
     RawHello().with_name("api.example.com").with(42, "").records() + "\x17\x03\x03\0\x01x"s,
     "early_data"},
    {"early_data", RawHello().with_name("api.example.com").with(42, "").records(), "early_data"},
    {"not_a_hello", "\x16\x03\x01\0\x04\x02\0\0\0"s, "malformed"},
    {"alert_record", "\x16\x03\x01\0\0"s, "malformed"},
    {"ssl_3", "\x16\x02\0\0\x04\x01\0\0\0"s, "malformed"},
    {"record_too_long", "\x16\x03\x01\xff\xff"s + std::string(100, 'a'), "malformed"},
    {"hello_beyond_64_kib", "\x16\x03\x01\0\x04\x01\xff\xff\xff"s, "malformed"},
    {"message_behind_the_hello",
     "\x16\x03\x01" + vector_of(RawHello().with_name("api.example.com").message() +
                                    RawHello().with_name("evil.com").message(),
                                2),
     "malformed"},
    {"neither_tls_nor_http", "\x05\x01\0"s, "no_rule"},
    {"lower_case_letters", "hello\r\n", "no_rule"},
};
INSTANTIATE_TEST_SUITE_P(Hello, HostileHello, ::testing::ValuesIn(kHellos),
                         [](const auto& each) { return std::string(each.param.name); });

// The guest's own OpenSSL, its bytes cut into pieces of one byte each way of the wall.
TEST_F(HostileGuest, hello_in_many_segments_is_put_together) {
    const auto stream = window.open("api.example.com", 443);
    stream->cut_writes(7);
    ASSERT_EQ(stream->start_tls("api.example.com", window.root_pem()), "");
    stream->write("GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
}

TEST_F(HostileGuest, hello_in_many_segments_hides_no_name) {
    const auto stream = window.open("api.example.com", 443);
    for (const char byte : RawHello().with_name("evil.example.com").records(9)) {
        stream->write({&byte, 1});
    }
    EXPECT_EQ(read_to_end(*stream), "");
    window.wait_for_denial("host_mismatch");
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(HostileGuest, hello_longer_than_1_kib_is_read_whole) {
    const auto stream = window.open("api.example.com", 443);
    std::vector<std::string> protocols = {"http/1.1"};
    for (int i = 0; i < 40; ++i) {
        protocols.push_back("unknown-" + std::to_string(i) + std::string(100, '-'));
    }
    ASSERT_EQ(stream->start_tls("api.example.com", window.root_pem(), protocols), "");
    stream->write("GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
}

TEST_F(HostileGuest, name_behind_1_kib_is_still_compared) {
    const auto stream = window.open("api.example.com", 443);
    stream->write(
        RawHello().with(21, std::string(9000, '\0')).with_name("evil.example.com").records(512));
    EXPECT_EQ(read_to_end(*stream), "");
    window.wait_for_denial("host_mismatch");
    EXPECT_EQ(upstream.connections(), 0U);
}

TEST_F(HostileGuest, name_in_upper_case_is_the_same_name) {
    const auto stream = window.open("API.EXAMPLE.COM", 443);
    ASSERT_EQ(stream->start_tls("Api.Example.Com", window.root_pem()), "");
    stream->write("GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
}

TEST_F(HostileGuest, hello_that_never_ends_is_given_up_with_the_stream) {
    const auto stream = window.open("api.example.com", 443);
    const std::string hello = named("api.example.com");
    stream->write(std::string_view(hello).substr(0, 30));
    stream->finish_writing();
    EXPECT_EQ(read_to_end(*stream), "");
    window.wait_for_denial("malformed");
    EXPECT_EQ(upstream.connections(), 0U);
}

}  // namespace
}  // namespace anchorhold::window_test
