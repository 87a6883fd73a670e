// Requests that two readers would cut in two ways (RFC 9112 §11.2): every one ends here.
#include <gtest/gtest.h>

#include "window/hostile.h"

namespace anchorhold::window_test {
namespace {

using namespace std::string_literals;

std::string get(const std::string& fields) {
    return "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields, const std::string& body) {
    return "POST /v1/files HTTP/1.1\r\nHost: api.example.com\r\n" + fields + "\r\n" + body;
}
std::string chunked(const std::string& body) {
    return post("Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n", body);
}
const std::string kInner = "GET /admin HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

class HostileFraming : public HostileRequest {};

TEST_P(HostileFraming, framing_attack_is_malformed) {
    expect_denied(GetParam());
}

const Attack kFraming[] = {
    {"content_length_and_transfer_encoding",
     post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + kInner),
     "malformed"},
    {"transfer_encoding_and_content_length",
     post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n" + kInner),
     "malformed"},
    {"transfer_encoding_twice",
     post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n" + kInner),
     "malformed"},
    {"transfer_encoding_chunked_twice",
     post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
     "malformed"},
    {"transfer_encoding_list", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
     "malformed"},
    {"transfer_encoding_misspelt", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
     "malformed"},
    {"transfer_encoding_quoted", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
     "malformed"},
    {"transfer_encoding_vertical_tab", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"),
     "malformed"},
    {"transfer_encoding_space_before_colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
     "malformed"},
    {"transfer_encoding_folded", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
     "malformed"},
    {"folded_field", get("X-A: b\r\n\tc\r\n"), "malformed"},
    {"folded_first_field", "GET /v1/m HTTP/1.1\r\n Host: api.example.com\r\n\r\n", "malformed"},
    {"bare_lf_between_fields", get("X-A: b\nX-B: c\r\n"), "malformed"},
    {"bare_lf_in_request_line", "GET /v1/models HTTP/1.1\nHost: api.example.com\r\n\r\n",
     "malformed"},
    {"bare_cr_in_value", get("X-A: b\rX-B: c\r\n"), "malformed"},
    {"nul_in_value", get("X-A: b\0c\r\n"s), "malformed"},
    {"nul_in_name", get("X-\0A: b\r\n"s), "malformed"},
    {"delete_in_value", get("X-A: b\x7f\r\n"), "malformed"},
    {"space_before_colon", get("X-A : b\r\n"), "malformed"},
    {"no_colon", get("X-A\r\n"), "malformed"},
    {"empty_name", get(": b\r\n"), "malformed"},
    {"two_lengths", post("Content-Length: 1\r\nContent-Length: 5\r\n", "hello"), "malformed"},
    {"two_equal_lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "malformed"},
    {"length_list", post("Content-Length: 5, 5\r\n", "hello"), "malformed"},
    {"length_negative", post("Content-Length: -1\r\n", ""), "malformed"},
    {"length_with_plus", post("Content-Length: +5\r\n", "hello"), "malformed"},
    {"length_hexadecimal", post("Content-Length: 0x5\r\n", "hello"), "malformed"},
    {"length_empty", post("Content-Length: \r\n", ""), "malformed"},
    {"length_beyond_64_bits", post("Content-Length: 18446744073709551616\r\n", ""), "malformed"},
    {"length_with_inner_space", post("Content-Length: 1 0\r\n", "0123456789"), "malformed"},
    {"two_hosts", get("Host: evil.example.com\r\n"), "malformed"},
    {"two_equal_hosts", get("Host: api.example.com\r\n"), "malformed"},
    {"no_host", "GET /v1/models HTTP/1.1\r\n\r\n", "malformed"},
    {"connection_names_authorization", get("Connection: authorization\r\n"), "malformed"},
    {"connection_names_host", get("Connection: close, Host\r\n"), "malformed"},
    {"connection_names_length", post("Connection: content-length\r\nContent-Length: 1\r\n", "x"),
     "malformed"},
    {"http_1_0", "GET /v1/models HTTP/1.0\r\nHost: api.example.com\r\n\r\n", "malformed"},
    {"http_2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed"},
    {"http_0_9", "GET /v1/models\r\n\r\n", "malformed"},
    {"version_in_lower_case", "GET /v1/models http/1.1\r\nHost: api.example.com\r\n\r\n",
     "malformed"},
    {"two_spaces", "GET  /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "malformed"},
    {"tab_for_a_space", "GET\t/v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "malformed"},
    {"space_in_target", "GET /v1/a b HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "malformed"},
    {"byte_beyond_ascii_in_target", "GET /v1/\xff HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
     "malformed"},
    {"method_is_no_token", "G(T /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n", "malformed"},
    {"head_without_end", get("X-A: " + std::string(70000, 'a') + "\r\n"), "malformed"},
    {"too_many_fields", get([] {
         std::string fields;
         for (int i = 0; i < 201; ++i) {
             fields += "a: b\r\n";
         }
         return fields;
     }()),
     "malformed"},
    {"upgrade_twice", get("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
     "malformed"},
    {"expect_of_something", post("Expect: 200-ok\r\nContent-Length: 1\r\n", "x"), "malformed"},
};
INSTANTIATE_TEST_SUITE_P(Framing, HostileFraming, ::testing::ValuesIn(kFraming), attack_name);

// What is wrong only with the body: the head may have gone, the body must not look whole.
struct BodyAttack {
    const char* name;
    std::string body;
};
void PrintTo(const BodyAttack& attack, std::ostream* out) {
    *out << attack.name;
}
class HostileChunks : public HostileGuest, public ::testing::WithParamInterface<BodyAttack> {};

TEST_P(HostileChunks, body_never_arrives_whole) {
    const auto stream = window.open_tls("api.example.com");
    stream->write(chunked(GetParam().body));
    std::string buffer;
    const HttpAnswer answer = read_answer(*stream, buffer);
    EXPECT_NE(answer.status, 200);
    window.wait_for_denial("malformed");
    EXPECT_TRUE(upstream.received().empty());
}

const BodyAttack kChunks[] = {
    {"extension", "5;a=b\r\nhello\r\n0\r\n\r\n"},
    {"extension_on_the_last", "5\r\nhello\r\n0;x\r\n\r\n"},
    {"prefixed_size", "0x5\r\nhello\r\n0\r\n\r\n"},
    {"size_with_plus", "+5\r\nhello\r\n0\r\n\r\n"},
    {"size_negative", "-5\r\nhello\r\n0\r\n\r\n"},
    {"size_with_spaces", "5 \r\nhello\r\n0\r\n\r\n"},
    {"size_empty", "\r\nhello\r\n0\r\n\r\n"},
    {"size_beyond_64_bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"},
    {"size_line_without_end", std::string(400, '0')},
    {"bare_lf_after_the_size", "5\nhello\r\n0\r\n\r\n"},
    {"bare_lf_after_the_data", "5\r\nhello\n0\r\n\r\n"},
    {"longer_than_its_size", "5\r\nhello, GET /admin\r\n0\r\n\r\n"},
    {"trailer_folded", "5\r\nhello\r\n0\r\nx: a\r\n b\r\n\r\n"},
    {"trailer_with_bare_lf", "5\r\nhello\r\n0\r\nx: a\n\r\n\r\n"},
    {"trailer_without_name", "5\r\nhello\r\n0\r\n: a\r\n\r\n"},
    {"trailers_too_long", "5\r\nhello\r\n0\r\nx: " + std::string(20000, 'a')},
};
INSTANTIATE_TEST_SUITE_P(Chunks, HostileChunks, ::testing::ValuesIn(kChunks),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(HostileGuest, pipelined_request_is_judged_by_itself) {
    const auto stream = window.open_tls("api.example.com");
    stream->write(post("Content-Length: 5\r\n", "hello") + kInner);
    std::string buffer;
    EXPECT_EQ(read_answer(*stream, buffer).status, 200);
    EXPECT_EQ(read_answer(*stream, buffer).status, 403);
    window.wait_for_denial("no_rule");
    ASSERT_EQ(upstream.received().size(), 1U);
}

TEST_F(HostileGuest, connection_close_and_empty_lines_before_a_request_pass) {
    EXPECT_EQ(window.ask("api.example.com", "\r\n" + get("Connection: close\r\n")).status, 200);
    ASSERT_EQ(upstream.received().size(), 1U);
    EXPECT_EQ(upstream.received()[0].head.find("close"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::window_test
