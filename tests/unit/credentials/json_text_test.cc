// JSON by place: what is found, and what is no JSON.
#include "proxy/credentials/json_text.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

std::string strings(std::string_view text) {
    std::string out;
    const auto read = visit_json_strings(text, [&](const JsonPath& path, JsonString place) {
        for (const std::string& token : path) {
            out += "/" + token;
        }
        out += "=" + std::string(text.substr(place.begin, place.end - place.begin)) + ";";
    });
    return read ? out : "refused";
}

TEST(JsonText, strings_found_with_their_paths) {
    EXPECT_EQ(strings(R"("x")"), "=x;");
    EXPECT_EQ(strings(R"({"a":{"b/c":["x",{"d":"y\""}]},"e":1})"), R"(/a/b/c/0=x;/a/b/c/1/d=y\";)");
    EXPECT_EQ(strings(R"( { "\u0061" : "x" , "n" : [ true , false , null , -1.5e+3 ] } )"),
              "/a=x;");
    EXPECT_EQ(strings("[]"), "");
}

TEST(JsonText, not_json_refused) {
    for (const std::string_view text : {"",          "{",
                                        "[1,]",      "{\"a\":1,}",
                                        "{\"a\" 1}", "{a:1}",
                                        "'x'",       "\"x",
                                        "\"\\x\"",   "\"\\u12g4\"",
                                        "\"a\nb\"",  "01",
                                        "1.",        "1e",
                                        "-",         "+1",
                                        "nul",       "truefalse",
                                        "{} {}",     "\xef\xbb\xbf{}",
                                        "[1}",       "{\"a\":\"b\"",
                                        "\"\\",      "NaN",
                                        "/**/1"}) {
        EXPECT_EQ(strings(text), "refused") << text;
    }
}

TEST(JsonText, key_twice_refused_in_any_spelling) {
    EXPECT_EQ(strings(R"({"a":"1","a":"2"})"), "refused");
    EXPECT_EQ(strings(R"({"a":"1","\u0061":"2"})"), "refused");
    EXPECT_EQ(strings(R"([{"a":"1"},{"a":"2"}])"), "/0/a=1;/1/a=2;");
}

TEST(JsonText, deep_nesting_refused) {
    EXPECT_EQ(strings(std::string(60, '[') + std::string(60, ']')), "");
    EXPECT_EQ(strings(std::string(70, '[') + std::string(70, ']')), "refused");
    EXPECT_EQ(strings(std::string(1000000, '[')), "refused");
}

TEST(JsonText, pointers_parsed_and_refused) {
    EXPECT_EQ(parse_json_pointer("/a/b~1c/~0").value(), (JsonPath{"a", "b/c", "~"}));
    EXPECT_EQ(parse_json_pointer("/").value(), (JsonPath{""}));
    for (const std::string_view text : {"", "a", "/~", "/~2"}) {
        EXPECT_FALSE(parse_json_pointer(text)) << text;
    }
}

}  // namespace
}  // namespace anchorhold::proxy
