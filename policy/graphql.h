// What a GraphQL request would run: operation types and top-level fields (GraphQL specification,
// October 2021), read without a schema.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::policy {

struct GraphQlOperation {
    enum class Type { query, mutation, subscription };
    Type type = Type::query;
    std::vector<std::string> fields;  // names, never aliases; fragments expanded; in order
};

std::string_view operation_type_word(GraphQlOperation::Type type);

// An executable document (§2.2): every operation in it. Refused: type system definitions, unknown
// fragments at the top level, an anonymous operation beside others, what is not GraphQL, and what
// is beyond the reader's bounds.
Result<std::vector<GraphQlOperation>> read_graphql_document(std::string_view document);

// The body of a POST: {"query", "operationName", "variables", "extensions"} or an array of these.
// Every operation of every document is returned, whichever `operationName` chooses. Refused: other
// keys, a request without "query" (a persisted one), a content type that is not JSON.
Result<std::vector<GraphQlOperation>> read_graphql_request(std::string_view content_type,
                                                           std::string_view body);

}  // namespace anchorhold::policy
