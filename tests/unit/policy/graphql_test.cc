#include "policy/graphql.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

// "query a b; mutation c"
std::string summary(std::string_view document) {
    const auto operations = read_graphql_document(document);
    if (!operations) {
        return "refused";
    }
    std::string text;
    for (const GraphQlOperation& operation : *operations) {
        text += fmt::format("{}{} {}", text.empty() ? "" : "; ",
                            operation_type_word(operation.type), fmt::join(operation.fields, " "));
    }
    return text;
}

TEST(graphql, operations_and_their_top_level_fields_are_found) {
    EXPECT_EQ(summary("{a b{c d} e}"), "query a b e");
    EXPECT_EQ(summary("query Q($x: [Int!]! = 3 @d) @dir(a: 1) { a(x: $x, y: {z: [1 \"}\"]}) }"),
              "query a");
    EXPECT_EQ(summary("mutation { x: del(id: 1) { id } y: add }"), "mutation del add");
    EXPECT_EQ(summary("subscription S { s }"), "subscription s");
    EXPECT_EQ(summary("query A{a} mutation B{b}"), "query a; mutation b");
    EXPECT_EQ(summary("# mutation {x}\n{a,#}\nb}"), "query a b");
    EXPECT_EQ(summary("\xef\xbb\xbf{a}"), "query a");
    EXPECT_EQ(summary("{query mutation fragment on}"), "query query mutation fragment on");
    EXPECT_EQ(summary("{a(s: \"\"\"} \\\"\"\" mutation {x}\"\"\")}"), "query a");
    EXPECT_EQ(summary("{a(s: \"\\\"}\", n: -1.5e+3)}"), "query a");
}

TEST(graphql, fragments_at_the_top_are_expanded) {
    EXPECT_EQ(summary("{...F ...{b} ... on Query @d {c} ... @include(if: true) {d}} "
                      "fragment F on Query {a ...G} fragment G on Query {e}"),
              "query b c d a e");
    EXPECT_EQ(summary("{...F} fragment F on Query {a ...F}"), "query a");
    EXPECT_EQ(summary("{...F}"), "refused");
    EXPECT_EQ(summary("{...F} fragment F on Q {a} fragment F on Q {b}"), "refused");
    EXPECT_EQ(summary("fragment F on Query {a}"), "refused");
}

TEST(graphql, anything_else_is_refused) {
    for (const char* text : {"",
                             "a",
                             "{",
                             "{}",
                             "{a",
                             "{a}}",
                             "{a(}",
                             "{a(b: [)]}",
                             "{a b: }",
                             "{a{}",
                             "query",
                             "{a} {b}",
                             "query A{a} {b}",
                             "type T {a: Int}",
                             "schema {query: Q}",
                             "extend type T {a: Int}",
                             "\"description\" query {a}",
                             "fragment on on Q {a}",
                             "fragment F {a}",
                             "{...}",
                             "{... on}",
                             "{a(s: \"x)}",
                             "{a(s: \"\n\")}",
                             "{a(s: \"\"\"x)}",
                             "{a(s: \"\\x\")}",
                             "{a(n: 01)}",
                             "{a(n: 1x)}",
                             "{a(n: 1.)}",
                             "{a ; b}",
                             "{a}\x01",
                             "{\xc3\xa4}",
                             "query Q($x: Int {a}"}) {
        EXPECT_EQ(summary(text), "refused") << text;
    }
}

TEST(graphql, size_is_bounded) {
    std::string nested;
    for (int i = 0; i < 100; ++i) {
        nested += "{a";
    }
    EXPECT_EQ(summary(nested + std::string(100, '}')), "refused");
    std::string inline_fragments = "{";
    for (int i = 0; i < 100; ++i) {
        inline_fragments += "...{";
    }
    EXPECT_EQ(summary(inline_fragments), "refused");
    std::string many = "{";
    for (int i = 0; i < 3000; ++i) {
        many += "a ";
    }
    EXPECT_EQ(summary(many + "}"), "refused");
    // Each operation expands one large fragment.
    std::string bomb = "fragment F on Q {";
    for (int i = 0; i < 100; ++i) {
        bomb += "a ";
    }
    bomb += "}";
    for (int i = 0; i < 100; ++i) {
        bomb += fmt::format(" query Q{} {{...F}}", i);
    }
    EXPECT_EQ(summary(bomb), "refused");
}

TEST(graphql, request_has_known_keys_only) {
    const auto reads = [](std::string_view body) {
        return read_graphql_request("application/json", body).has_value();
    };
    EXPECT_TRUE(reads(R"({"query":"{a}","operationName":null,"variables":{"Query":1}})"));
    EXPECT_TRUE(reads(R"([{"query":"{a}"},{"query":"{b}"}])"));
    EXPECT_FALSE(reads(R"({"query":"{a}","Query":"mutation{b}"})"));
    EXPECT_FALSE(reads(R"({"query":"{a}","query":"mutation{b}"})"));
    EXPECT_FALSE(reads(R"({"query":"{a}","id":"x"})"));
    EXPECT_FALSE(reads(R"({"query":"{a}","extensions":{"persistedQuery":{}}})"));
    EXPECT_FALSE(reads(R"({"variables":{}})"));
    EXPECT_FALSE(reads(R"({"query":1})"));
    EXPECT_FALSE(reads(R"([])"));
    EXPECT_FALSE(reads(R"("{a}")"));
    EXPECT_FALSE(read_graphql_request("application/graphql", "{a}"));
    EXPECT_FALSE(read_graphql_request("multipart/form-data; boundary=x", R"({"query":"{a}"})"));
}

}  // namespace
}  // namespace anchorhold::policy
