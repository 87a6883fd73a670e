#include "policy/strict_json.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

TEST(strict_json, values_are_built) {
    const auto json = parse_strict_json(R"({"a":[1,-2,3.5,true,null,"x"],"A":{"b":{}}})");
    ASSERT_TRUE(json) << json.error().message;
    EXPECT_EQ(json->dump(), R"({"A":{"b":{}},"a":[1,-2,3.5,true,null,"x"]})");
    EXPECT_EQ(parse_strict_json("\"x\"")->get<std::string>(), "x");
    EXPECT_EQ(parse_strict_json("[[],[]]")->dump(), "[[],[]]");
}

TEST(strict_json, what_readers_take_differently_is_refused) {
    for (const char* text :
         {"", "{", "{}x", "{} {}", R"({"a":1,"a":2})", R"({"b":{"a":1,"\u0061":2}})",
          "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}", R"({"a":"\ud800"})", "[1,]", "{'a':1}", "// c\n{}",
          "NaN", "[1e999]", "{\"a\":\"\n\"}", "[01]"}) {
        EXPECT_FALSE(parse_strict_json(text)) << text;
    }
}

TEST(strict_json, bounds_hold) {
    EXPECT_TRUE(parse_strict_json(std::string(64, '[') + std::string(64, ']')));
    EXPECT_FALSE(parse_strict_json(std::string(65, '[') + std::string(65, ']')));
    EXPECT_FALSE(parse_strict_json(std::string(100'000, '[')));
    EXPECT_FALSE(parse_strict_json("[1,2,3]", JsonBounds{.values = 3}));
    EXPECT_TRUE(parse_strict_json("[1,2,3]", JsonBounds{.values = 4}));
    EXPECT_FALSE(parse_strict_json("[1,2,3]", JsonBounds{.bytes = 6}));
}

TEST(content_type, is_json_only_in_utf8) {
    EXPECT_TRUE(is_json_content_type("application/json"));
    EXPECT_TRUE(is_json_content_type("Application/JSON ; charset=UTF-8"));
    EXPECT_FALSE(is_json_content_type("application/json; charset=utf-7"));
    EXPECT_FALSE(is_json_content_type("application/jsonx"));
    EXPECT_FALSE(is_json_content_type("text/plain"));
    EXPECT_FALSE(is_json_content_type(""));
    EXPECT_FALSE(is_json_content_type("application/json, text/plain"));
}

}  // namespace
}  // namespace anchorhold::policy
