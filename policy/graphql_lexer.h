// Tokens of a GraphQL document (specification October 2021, §2.1).
#pragma once

#include <string_view>

#include "base/result.h"

namespace anchorhold::policy {

struct GraphQlToken {
    enum class Kind {
        end,
        punctuator,  // one character, or "..."
        name,
        value,  // a number or string
    };
    Kind kind = Kind::end;
    std::string_view text;

    [[nodiscard]] bool is(std::string_view punctuator_or_name) const {
        return (kind == Kind::punctuator || kind == Kind::name) && text == punctuator_or_name;
    }
};

// The document outlives the lexer and its tokens.
class GraphQlLexer {
  public:
    explicit GraphQlLexer(std::string_view document) : rest_(document) {}

    // Tokens of kind `end` for ever at the end.
    Result<GraphQlToken> next();

  private:
    void skip_ignored();
    GraphQlToken take(GraphQlToken::Kind kind, size_t length);
    Result<GraphQlToken> number();
    Result<GraphQlToken> string();
    Result<GraphQlToken> block_string();

    std::string_view rest_;
};

}  // namespace anchorhold::policy
