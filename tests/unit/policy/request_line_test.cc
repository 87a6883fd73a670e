#include "policy/request_line.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

TEST(request_line, urls_become_requests) {
    const auto line = RequestLine::parse("GET https://API.example.com/a?b=c");
    ASSERT_TRUE(line) << line.error().message;
    const Request request = line->request();
    EXPECT_EQ(request.endpoint.host, "api.example.com");
    EXPECT_EQ(request.endpoint.port, 443);
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.target->forwarded, "/a?b=c");
    EXPECT_EQ(RequestLine::parse("GET http://a.example?x")->request().target->query.size(), 1U);
    EXPECT_EQ(RequestLine::parse("GET http://a.example")->endpoint().port, 80);
    EXPECT_EQ(RequestLine::parse("GET https://[2001:db8::1]:8443/")->endpoint().address.size(),
              16U);
    EXPECT_TRUE(RequestLine::parse("tcp://db.example.com:5432")->is_spliced());
}

TEST(request_line, anything_else_is_refused) {
    for (const char* text :
         {"", "GET", "GET /a", "https://a.example/", "GET ftp://a.example/",
          "GET https://u@a.example/", "GET https://a.example/#x", "GET https:///x",
          "tcp://a.example", "tcp://a.example:1/x", "GET tls://a.example",
          "GET https://a.example/../b", "GET https://a_b/"}) {
        EXPECT_FALSE(RequestLine::parse(text)) << text;
    }
}

}  // namespace
}  // namespace anchorhold::policy
