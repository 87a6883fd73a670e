// GraphQL over HTTP: the JSON around documents, one or a batch.
#include "policy/graphql.h"
#include "policy/strict_json.h"

namespace anchorhold::policy {
namespace {

constexpr size_t kMaxBatch = 50;

Status read_one(const nlohmann::json& request, std::vector<GraphQlOperation>& operations) {
    if (!request.is_object()) {
        return fail("not a GraphQL request: an object is expected");
    }
    for (const auto& [key, value] : request.items()) {
        const bool known =
            key == "query" || key == "variables" || key == "extensions" || key == "operationName";
        if (!known) {
            return fail(
                "not a GraphQL request: a key that is not query, operationName, variables "
                "or extensions");
        }
        if (key == "extensions" && value.is_object() && value.contains("persistedQuery")) {
            return fail("a persisted GraphQL query cannot be read");
        }
        if (key == "operationName" && !value.is_string() && !value.is_null()) {
            return fail("not a GraphQL request: operationName is not a string");
        }
    }
    const auto document = request.find("query");
    if (document == request.end() || !document->is_string()) {
        return fail("not a GraphQL request: query is not a string");
    }
    const auto read = read_graphql_document(document->get_ref<const std::string&>());
    if (!read) {
        return tl::unexpected(read.error().within("GraphQL"));
    }
    operations.insert(operations.end(), read->begin(), read->end());
    return {};
}

}  // namespace

Result<std::vector<GraphQlOperation>> read_graphql_request(std::string_view content_type,
                                                           std::string_view body) {
    if (!is_json_content_type(content_type)) {
        return fail("not a GraphQL request: the content type is not application/json");
    }
    const auto json = parse_strict_json(body);
    if (!json) {
        return tl::unexpected(json.error().within("GraphQL request"));
    }
    std::vector<GraphQlOperation> operations;
    if (!json->is_array()) {
        ANCHORHOLD_TRY(read_one(*json, operations));
        return operations;
    }
    if (json->empty() || json->size() > kMaxBatch) {
        return fail("a GraphQL batch that is empty or too long");
    }
    for (const nlohmann::json& request : *json) {
        ANCHORHOLD_TRY(read_one(request, operations));
    }
    return operations;
}

}  // namespace anchorhold::policy
