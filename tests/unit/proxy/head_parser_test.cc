// Message heads as tables of raw bytes.
#include "proxy/http1/head_parser.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy::http1 {
namespace {

using namespace std::string_literals;

std::string get(const std::string& fields) {
    return "GET /a HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

TEST(RequestHead, parts_are_read_and_hop_by_hop_fields_are_gone) {
    const auto request = parse_request(
        "POST /a?b HTTP/1.1\r\nHOST: h:1\r\nX-A:  b c \t\r\nX-A: d\r\nConnection: x-hop, Close\r\n"
        "X-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Connection: close\r\n"
        "Expect: 100-Continue\r\nContent-Length: 7\r\nX-Empty:\r\n\r\n");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->head.method, "POST");
    EXPECT_EQ(request->head.target, "/a?b");
    EXPECT_EQ(request->head.authority, "h:1");
    EXPECT_EQ(request->framing.kind, Framing::Kind::length);
    EXPECT_EQ(request->framing.length, 7U);
    EXPECT_FALSE(request->keep_alive);
    EXPECT_TRUE(request->expects_continue);
    ASSERT_EQ(request->head.fields.size(), 3U);
    EXPECT_EQ(request->head.fields[0].name, "x-a");
    EXPECT_EQ(request->head.fields[0].value, "b c");
    EXPECT_EQ(request->head.fields[1].value, "d");
    EXPECT_EQ(request->head.fields[2].name, "x-empty");
}

TEST(RequestHead, upgrade_counts_only_where_connection_names_it) {
    EXPECT_EQ(parse_request(get("Connection: Upgrade\r\nUpgrade: WebSocket\r\n"))->upgrade,
              "websocket");
    EXPECT_EQ(parse_request(get("Upgrade: websocket\r\n"))->upgrade, "");
}

TEST(RequestHead, two_readings_are_refused) {
    const std::string heads[] = {
        "",
        "\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.0\r\nHost: h\r\n\r\n",
        "GET /a HTTP/1.1 \r\nHost: h\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n",
        " GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a\r\nHost: h\r\n\r\n",
        "G\0T /a HTTP/1.1\r\nHost: h\r\n\r\n"s,
        "GET /a HTTP/1.1\nHost: h\r\n\r\n",
        get("Host: h\r\n"),
        get("X: a\nY: b\r\n"),
        get("X: a\rY: b\r\n"),
        get("X: a\0\r\n"s),
        get("X: a\x7f\r\n"),
        get("X : a\r\n"),
        get(" X: a\r\n"),
        get("X: a\r\n\tb\r\n"),
        get("X\r\n"),
        get(": a\r\n"),
        get("X(: a\r\n"),
        get("Content-Length: 1\r\nContent-Length: 1\r\n"),
        get("Content-Length: 1, 1\r\n"),
        get("Content-Length: -1\r\n"),
        get("Content-Length: +1\r\n"),
        get("Content-Length: 0x1\r\n"),
        get("Content-Length:\r\n"),
        get("Content-Length: 18446744073709551616\r\n"),
        get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        get("Transfer-Encoding: gzip, chunked\r\n"),
        get("Transfer-Encoding: \x0b"
            "chunked\r\n"),
        get("Transfer-Encoding: identity\r\n"),
        get("Connection: authorization\r\n"),
        get("Connection: Content-Length\r\n"),
        get("Expect: something\r\n"),
        get("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n"),
        get("") + "more",
    };
    for (const std::string& head : heads) {
        EXPECT_FALSE(parse_request(head)) << head;
    }
}

TEST(HeadLength, is_known_once_the_empty_line_came) {
    EXPECT_EQ(*head_length("a\r\n\r\nb"), 5U);
    EXPECT_FALSE(*head_length("a\r\n\r"));
    EXPECT_FALSE(head_length(std::string(kMaxHead, 'a')));
    EXPECT_FALSE(head_length(std::string(kMaxHead, 'a') + "\r\n\r\n"));
}

TEST(ResponseHead, framing_follows_method_status_and_fields) {
    const struct {
        const char* head;
        const char* method;
        Framing::Kind kind;
        bool keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "GET", Framing::Kind::length, true},
        {"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "HEAD", Framing::Kind::none, true},
        {"HTTP/1.1 200\r\ntransfer-encoding: Chunked\r\n\r\n", "GET", Framing::Kind::chunked, true},
        {"HTTP/1.1 200 OK\r\n\r\n", "GET", Framing::Kind::until_close, false},
        {"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", "GET", Framing::Kind::length, false},
        {"HTTP/1.1 204 No\r\n\r\n", "GET", Framing::Kind::none, true},
        {"HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n", "GET", Framing::Kind::none, true},
        {"HTTP/1.1 100 Continue\r\n\r\n", "GET", Framing::Kind::none, true},
    };
    for (const auto& each : cases) {
        const auto response = parse_response(each.head, each.method);
        ASSERT_TRUE(response) << each.head;
        EXPECT_EQ(response->framing.kind, each.kind) << each.head;
        EXPECT_EQ(response->keep_alive, each.keep_alive) << each.head;
    }
}

TEST(ResponseHead, malformed_ones_are_refused) {
    for (const std::string& head :
         {"HTTP/1.1 20 OK\r\n\r\n"s, "HTTP/1.1 099 OK\r\n\r\n"s, "HTTP/1.1 600 OK\r\n\r\n"s,
          "HTTP/1.1 2000 OK\r\n\r\n"s, "HTTP/2 200 OK\r\n\r\n"s, "HTTP/1.1 200 O\0K\r\n\r\n"s,
          "HTTP/1.1  200 OK\r\n\r\n"s, "HTTP/1.1 200 OK\nx: y\r\n\r\n"s,
          "HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n"s,
          "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"s,
          "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"s}) {
        EXPECT_FALSE(parse_response(head, "GET")) << head;
    }
}

TEST(Trailers, framing_routing_and_credentials_are_left_out) {
    const auto trailers = parse_trailers(
        "x-a: b\r\nHost: c\r\nContent-Length: 3\r\nAuthorization: d\r\nCookie: e\r\nX-Api-Key: "
        "f\r\n"
        "Set-Cookie: g\r\nTrailer: h\r\n\r\n");
    ASSERT_TRUE(trailers) << trailers.error().message;
    ASSERT_EQ(trailers->size(), 1U);
    EXPECT_EQ((*trailers)[0].name, "x-a");
}

}  // namespace
}  // namespace anchorhold::proxy::http1
