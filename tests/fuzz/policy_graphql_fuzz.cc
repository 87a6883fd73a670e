// A GraphQL document and the JSON around it.
#include <string_view>

#include "base/check.h"
#include "policy/graphql.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    namespace policy = anchorhold::policy;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto operations = policy::read_graphql_document(text)) {
        ANCHORHOLD_CHECK(!operations->empty());
        for (const auto& operation : *operations) {
            for (const std::string& field : operation.fields) {
                ANCHORHOLD_CHECK(!field.empty() && text.find(field) != std::string_view::npos);
            }
        }
    }
    (void)policy::read_graphql_request("application/json", text);
    return 0;
}
