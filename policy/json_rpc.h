// Which calls a JSON-RPC 2.0 body makes; MCP's tools/call with the tool it names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::policy {

struct JsonRpcCall {
    std::string method;
    std::string tool;  // params.name of tools/call, else empty
};

// A request, a notification, a response (which calls nothing) or a batch of these. Refused: other
// members, a method that is not a string, a tools/call without a tool's name, duplicate keys, a
// content type that is not JSON.
Result<std::vector<JsonRpcCall>> read_json_rpc(std::string_view content_type,
                                               std::string_view body);

}  // namespace anchorhold::policy
