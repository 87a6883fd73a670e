// JSON-RPC 2.0 §4 to §6, with nothing extra: a member that we do not know could mean something to
// a server that matches names loosely.
#include "policy/json_rpc.h"

#include <algorithm>
#include <array>

#include "policy/strict_json.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxBatch = 100;
constexpr std::array<std::string_view, 6> kMembers = {"jsonrpc", "id",     "method",
                                                      "params",  "result", "error"};

std::string lower_case(std::string text) {
    for (char& c : text) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return text;
}

Result<std::string> tool_of(const nlohmann::json& message) {
    const auto params = message.find("params");
    if (params == message.end() || !params->is_object()) {
        return fail("JSON-RPC: tools/call without params");
    }
    for (const auto& [key, value] : params->items()) {
        if (key != "name" && lower_case(key) == "name") {
            return fail("JSON-RPC: a second spelling of name");
        }
    }
    const auto name = params->find("name");
    if (name == params->end() || !name->is_string()) {
        return fail("JSON-RPC: tools/call without a name");
    }
    return name->get<std::string>();
}

Status read_one(const nlohmann::json& message, std::vector<JsonRpcCall>& calls) {
    if (!message.is_object()) {
        return fail("JSON-RPC: a message is not an object");
    }
    for (const auto& [key, value] : message.items()) {
        if (std::ranges::find(kMembers, key) == kMembers.end()) {
            return fail("JSON-RPC: an unknown member");
        }
    }
    const auto version = message.find("jsonrpc");
    if (version == message.end() || *version != "2.0") {
        return fail("JSON-RPC: the version is not 2.0");
    }
    const bool response = message.contains("result") || message.contains("error");
    const auto method = message.find("method");
    if (method == message.end()) {
        return response && !message.contains("params")
                   ? Status()
                   : fail("JSON-RPC: neither a call nor a response");
    }
    if (response || !method->is_string()) {
        return fail("JSON-RPC: the method is not plain");
    }
    JsonRpcCall& call = calls.emplace_back();
    call.method = method->get<std::string>();
    if (call.method == "tools/call") {
        call.tool = ANCHORHOLD_TRY(tool_of(message));
    }
    return {};
}

}  // namespace

Result<std::vector<JsonRpcCall>> read_json_rpc(std::string_view content_type,
                                               std::string_view body) {
    if (!is_json_content_type(content_type)) {
        return fail("JSON-RPC: the content type is not application/json");
    }
    const auto json = parse_strict_json(body);
    if (!json) {
        return tl::unexpected(json.error().within("JSON-RPC"));
    }
    std::vector<JsonRpcCall> calls;
    if (!json->is_array()) {
        ANCHORHOLD_TRY(read_one(*json, calls));
        return calls;
    }
    if (json->empty() || json->size() > kMaxBatch) {
        return fail("JSON-RPC: a batch that is empty or too long");
    }
    for (const nlohmann::json& message : *json) {
        ANCHORHOLD_TRY(read_one(message, calls));
    }
    return calls;
}

}  // namespace anchorhold::policy
