#include "policy/json_rpc.h"

#include <gtest/gtest.h>

namespace anchorhold::policy {
namespace {

// "tools/call(search) ping", or why not.
std::string calls(std::string_view body) {
    const auto read = read_json_rpc("application/json", body);
    if (!read) {
        return "refused";
    }
    std::string text;
    for (const JsonRpcCall& call : *read) {
        text += (text.empty() ? "" : " ") + call.method;
        text += call.tool.empty() ? "" : "(" + call.tool + ")";
    }
    return text;
}

TEST(json_rpc, calls_of_requests_notifications_and_batches_are_found) {
    EXPECT_EQ(calls(R"({"jsonrpc":"2.0","id":1,"method":"ping"})"), "ping");
    EXPECT_EQ(calls(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"),
              "notifications/initialized");
    EXPECT_EQ(
        calls(R"([{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","id":2,"method":"b"}])"),
        "a b");
    EXPECT_EQ(
        calls(
            R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"Name":1}}})"),
        "tools/call(x)");
}

TEST(json_rpc, response_calls_nothing) {
    EXPECT_EQ(calls(R"({"jsonrpc":"2.0","id":1,"result":{}})"), "");
    EXPECT_EQ(calls(R"({"jsonrpc":"2.0","id":1,"error":{"code":1}})"), "");
}

TEST(json_rpc, anything_else_is_refused) {
    for (const char* body :
         {"", "[]", "1", "{}", R"({"id":1,"method":"a"})",
          R"({"jsonrpc":"1.0","id":1,"method":"a"})", R"({"jsonrpc":"2.0","id":1,"method":1})",
          R"({"jsonrpc":"2.0","id":1,"method":"a","Method":"b"})",
          R"({"jsonrpc":"2.0","id":1,"method":"a","method":"b"})",
          R"({"jsonrpc":"2.0","id":1,"method":"a","result":{}})", R"({"jsonrpc":"2.0","id":1})",
          R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})",
          R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":["x"]})",
          R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}})",
          R"([[{"jsonrpc":"2.0","id":1,"method":"a"}]])"}) {
        EXPECT_EQ(calls(body), "refused") << body;
    }
    EXPECT_FALSE(read_json_rpc("text/plain", R"({"jsonrpc":"2.0","id":1,"method":"a"})"));
}

}  // namespace
}  // namespace anchorhold::policy
