// Requests in whole, in parts, too large and malformed; answers back again.
#include "supervisor/service/http_codec.h"

#include <gtest/gtest.h>

namespace anchorhold::service {
namespace {

// Feeds `bytes` in pieces of `step`; the first request, or the status it is refused with.
std::string read(std::string_view bytes, size_t step) {
    RequestReader reader;
    for (size_t at = 0; at < bytes.size(); at += step) {
        if (const Status fed = reader.feed(bytes.substr(at, step)); !fed) {
            return std::to_string(fed.error().code);
        }
    }
    const auto request = reader.next();
    if (!request) {
        return std::to_string(request.error().code);
    }
    return request->has_value() ? (*request)->method + " " + (*request)->target + " " +
                                      (*request)->body + ((*request)->keep_alive ? "" : " close")
                                : "more";
}

TEST(HttpCodecTest, request_is_the_same_in_one_piece_and_byte_by_byte) {
    const struct {
        const char* bytes;
        const char* read;
    } kCases[] = {
        {"GET /v1/version HTTP/1.1\r\nHost: a\r\n\r\n", "GET /v1/version "},
        {"GET /v1/version HTTP/1.0\r\n\r\n", "GET /v1/version  close"},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "GET /  close"},
        {"POST /v1/run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "POST /v1/run {}"},
        {"POST /v1/run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
         "POST /v1/run {}"},
        {"POST /v1/run HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}", "more"},
        {"GET / HTTP/1.1\r\nHos", "more"},
        {"GET / HTTP/2.0\r\n\r\n", "400"},
        {"GET /\r\n\r\n", "400"},
        {" GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400"},
        {"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "400"},
        {"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n", "413"},
    };
    for (const auto& [bytes, expected] : kCases) {
        EXPECT_EQ(read(bytes, 1 << 20), expected) << bytes;
        EXPECT_EQ(read(bytes, 1), expected) << bytes;
    }
}

TEST(HttpCodecTest, bounds_hold_at_their_edges) {
    const std::string fits(kMaxBody, 'x');
    const std::string head = "POST / HTTP/1.1\r\nContent-Length: ";
    EXPECT_EQ(read(head + std::to_string(kMaxBody) + "\r\n\r\n" + fits, 4096), "POST / " + fits);
    EXPECT_EQ(read(head + std::to_string(kMaxBody + 1) + "\r\n\r\n" + fits + "x", 4096), "413");
    const std::string chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n" +
                               fits + "\r\n1\r\nx\r\n0\r\n\r\n";
    EXPECT_EQ(read(chunks, 4096), "413");
    const std::string long_head = "GET / HTTP/1.1\r\nA: " + std::string(kMaxHead, 'a') + "\r\n\r\n";
    EXPECT_EQ(read(long_head, 1 << 20), "431");
    EXPECT_EQ(read(long_head, 1), "431");
    EXPECT_EQ(read("GET /" + std::string(kMaxHead, 'a'), 1), "431");
}

TEST(HttpCodecTest, requests_behind_one_another_come_one_by_one) {
    RequestReader reader;
    ASSERT_TRUE(
        reader.feed("GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 1\r\n\r\n1GET /c"));
    EXPECT_EQ(reader.next().value()->target, "/a");
    EXPECT_TRUE(reader.within_request());
    EXPECT_EQ(reader.next().value()->body, "1");
    EXPECT_FALSE(reader.next().value());
    ASSERT_TRUE(reader.feed(" HTTP/1.1\r\n\r\n"));
    EXPECT_EQ(reader.next().value()->target, "/c");
    EXPECT_FALSE(reader.within_request());
}

TEST(HttpCodecTest, body_that_waits_for_leave_is_seen_once) {
    RequestReader reader;
    ASSERT_TRUE(
        reader.feed("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
    EXPECT_TRUE(reader.wants_continue());
    EXPECT_FALSE(reader.wants_continue());
    ASSERT_TRUE(reader.feed("x"));
    EXPECT_EQ(reader.next().value()->body, "x");
}

TEST(HttpCodecTest, answer_comes_back_as_it_was_written) {
    for (const size_t step : {size_t{1}, size_t{4096}}) {
        AnswerReader reader;
        const std::string bytes =
            answer_head(201, "application/json", 3, Persistence::keep_alive, "X-A: b\r\n") + "{ }";
        std::optional<HttpAnswer> answer;
        for (size_t at = 0; at < bytes.size(); at += step) {
            ASSERT_FALSE(answer);
            answer = reader.feed(std::string_view(bytes).substr(at, step)).value();
        }
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status, 201);
        EXPECT_EQ(answer->fields["x-a"], "b");
        EXPECT_EQ(answer->fields["content-type"], "application/json");
        EXPECT_EQ(answer->body, "{ }");
    }
}

TEST(HttpCodecTest, switching_protocols_is_whole_after_its_head) {
    AnswerReader reader;
    const auto answer =
        reader.feed(answer_head(101, "", 0, Persistence::keep_alive, "Upgrade: x\r\n")).value();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 101);
    EXPECT_EQ(answer->fields.at("upgrade"), "x");
}

TEST(HttpCodecTest, answer_after_a_continue_is_the_one_that_counts) {
    AnswerReader reader;
    EXPECT_FALSE(reader.feed("HTTP/1.1 100 Continue\r\n\r\n").value());
    const auto answer = reader.feed("HTTP/1.1 204 No Content\r\n\r\n").value();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 204);
}

TEST(HttpCodecTest, request_is_read_as_it_was_written) {
    EXPECT_EQ(read(request_text("POST", "/v1/run", "{}"), 1), "POST /v1/run {}");
    EXPECT_EQ(read(request_text("GET", "/v1/pools", ""), 1), "GET /v1/pools ");
}

}  // namespace
}  // namespace anchorhold::service
