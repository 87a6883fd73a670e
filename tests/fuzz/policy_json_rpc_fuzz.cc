// A JSON-RPC body.
#include <string_view>

#include "base/check.h"
#include "policy/json_rpc.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto calls = anchorhold::policy::read_json_rpc("application/json", text)) {
        ANCHORHOLD_CHECK(calls->size() <= 100);
        for (const auto& call : *calls) {
            ANCHORHOLD_CHECK(call.tool.empty() || call.method == "tools/call");
        }
    }
    return 0;
}
