// A recursive reader of definitions; below the top level it only balances brackets.
#include "policy/graphql.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "policy/graphql_lexer.h"

namespace anchorhold::policy {
namespace {

using Kind = GraphQlToken::Kind;

constexpr size_t kMaxDepth = 64;         // of brackets, and of inline fragments at the top
constexpr size_t kMaxSelections = 2000;  // fields and fragments at the top, after expansion
constexpr size_t kMaxDefinitions = 200;

// What stands at the top of one selection set: fields, and fragments by name.
struct Selections {
    std::vector<std::string> fields;
    std::vector<std::string> spreads;
};

struct Operation {
    GraphQlOperation::Type type = GraphQlOperation::Type::query;
    bool anonymous = false;
    Selections selections;
};

class Reader {
  public:
    explicit Reader(std::string_view document) : lexer_(document) {}

    Result<std::vector<GraphQlOperation>> read() {
        ANCHORHOLD_TRY(advance());
        size_t definitions = 0;
        while (token_.kind != Kind::end) {
            if (++definitions > kMaxDefinitions) {
                return fail("too many definitions");
            }
            ANCHORHOLD_TRY(definition());
        }
        return expand();
    }

  private:
    Status advance() {
        token_ = ANCHORHOLD_TRY(lexer_.next());
        return {};
    }

    Status expect(std::string_view what) {
        if (!token_.is(what)) {
            return fail(fmt::format("'{}' is missing", what));
        }
        return advance();
    }

    Result<std::string> name() {
        if (token_.kind != Kind::name) {
            return fail("a name is missing");
        }
        std::string text(token_.text);
        ANCHORHOLD_TRY(advance());
        return text;
    }

    Status definition() {
        Operation operation;
        if (token_.is("{")) {
            operation.anonymous = true;
        } else if (token_.is("fragment")) {
            return fragment();
        } else if (token_.is("query")) {
            ANCHORHOLD_TRY(advance());
        } else if (token_.is("mutation")) {
            operation.type = GraphQlOperation::Type::mutation;
            ANCHORHOLD_TRY(advance());
        } else if (token_.is("subscription")) {
            operation.type = GraphQlOperation::Type::subscription;
            ANCHORHOLD_TRY(advance());
        } else {
            return fail("something that is neither an operation nor a fragment");
        }
        if (!operation.anonymous) {
            operation.anonymous = token_.kind != Kind::name;
            if (!operation.anonymous) {
                ANCHORHOLD_TRY(advance());
            }
            ANCHORHOLD_TRY(optional_brackets("("));
            ANCHORHOLD_TRY(directives());
        }
        ANCHORHOLD_TRY(selection_set(operation.selections, 0));
        operations_.push_back(std::move(operation));
        return {};
    }

    // §2.8
    Status fragment() {
        ANCHORHOLD_TRY(advance());
        const std::string fragment_name = ANCHORHOLD_TRY(name());
        if (fragment_name == "on") {
            return fail("a fragment named 'on'");
        }
        ANCHORHOLD_TRY(expect("on"));
        ANCHORHOLD_TRY(name());
        ANCHORHOLD_TRY(directives());
        Selections selections;
        ANCHORHOLD_TRY(selection_set(selections, 0));
        if (!fragments_.emplace(fragment_name, std::move(selections)).second) {
            return fail("two fragments of one name");
        }
        return {};
    }

    // §2.4, appending to `selections`.
    Status selection_set(Selections& selections, size_t depth) {
        if (depth == kMaxDepth) {
            return fail("nested too deeply");
        }
        ANCHORHOLD_TRY(expect("{"));
        if (token_.is("}")) {
            return fail("an empty selection");
        }
        while (!token_.is("}")) {
            if (selections.fields.size() + selections.spreads.size() >= kMaxSelections) {
                return fail("too many selections");
            }
            if (token_.is("...")) {
                ANCHORHOLD_TRY(spread(selections, depth));
            } else {
                ANCHORHOLD_TRY(field(selections));
            }
        }
        return advance();
    }

    Status spread(Selections& selections, size_t depth) {
        ANCHORHOLD_TRY(advance());
        if (token_.kind == Kind::name && !token_.is("on")) {
            selections.spreads.push_back(ANCHORHOLD_TRY(name()));
            return directives();
        }
        if (token_.is("on")) {
            ANCHORHOLD_TRY(advance());
            ANCHORHOLD_TRY(name());
        }
        ANCHORHOLD_TRY(directives());
        return selection_set(selections, depth + 1);
    }

    Status field(Selections& selections) {
        std::string field_name = ANCHORHOLD_TRY(name());
        if (token_.is(":")) {  // that was an alias
            ANCHORHOLD_TRY(advance());
            field_name = ANCHORHOLD_TRY(name());
        }
        selections.fields.push_back(std::move(field_name));
        ANCHORHOLD_TRY(optional_brackets("("));
        ANCHORHOLD_TRY(directives());
        return optional_brackets("{");
    }

    Status directives() {
        while (token_.is("@")) {
            ANCHORHOLD_TRY(advance());
            ANCHORHOLD_TRY(name());
            ANCHORHOLD_TRY(optional_brackets("("));
        }
        return {};
    }

    // Skips to the end of what the bracket opens, if it is here.
    Status optional_brackets(std::string_view opening) {
        if (!token_.is(opening)) {
            return {};
        }
        std::string closing;
        do {
            if (token_.kind == Kind::end) {
                return fail("a bracket is not closed");
            }
            if (token_.is("(")) {
                closing.push_back(')');
            } else if (token_.is("[")) {
                closing.push_back(']');
            } else if (token_.is("{")) {
                closing.push_back('}');
            } else if (token_.is(")") || token_.is("]") || token_.is("}")) {
                if (closing.back() != token_.text.front()) {
                    return fail("brackets do not match");
                }
                closing.pop_back();
            }
            if (closing.size() > kMaxDepth) {
                return fail("nested too deeply");
            }
            ANCHORHOLD_TRY(advance());
        } while (!closing.empty());
        return {};
    }

    Result<std::vector<GraphQlOperation>> expand() {
        if (operations_.empty()) {
            return fail("no operation");
        }
        std::vector<GraphQlOperation> expanded;
        for (Operation& operation : operations_) {
            if (operation.anonymous && operations_.size() > 1) {
                return fail("an operation without a name beside others");
            }
            GraphQlOperation& result = expanded.emplace_back();
            result.type = operation.type;
            std::set<std::string> seen;
            ANCHORHOLD_TRY(expand_into(result.fields, operation.selections, seen));
        }
        return expanded;
    }

    // Each fragment is visited once, so recursion ends; a cycle adds nothing that is not matched.
    Status expand_into(std::vector<std::string>& fields, const Selections& selections,
                       std::set<std::string>& seen) {
        expanded_ += selections.fields.size();
        if (expanded_ > kMaxSelections) {
            return fail("too many selections");
        }
        fields.insert(fields.end(), selections.fields.begin(), selections.fields.end());
        for (const std::string& spread : selections.spreads) {
            const auto fragment = fragments_.find(spread);
            if (fragment == fragments_.end()) {
                return fail("a fragment that is not defined");
            }
            if (seen.insert(spread).second) {
                ANCHORHOLD_TRY(expand_into(fields, fragment->second, seen));
            }
        }
        return {};
    }

    GraphQlLexer lexer_;
    GraphQlToken token_;
    std::vector<Operation> operations_;
    std::map<std::string, Selections> fragments_;
    size_t expanded_ = 0;  // fields of all operations together
};

}  // namespace

std::string_view operation_type_word(GraphQlOperation::Type type) {
    switch (type) {
        case GraphQlOperation::Type::query:
            return "query";
        case GraphQlOperation::Type::mutation:
            return "mutation";
        case GraphQlOperation::Type::subscription:
            break;
    }
    return "subscription";
}

Result<std::vector<GraphQlOperation>> read_graphql_document(std::string_view document) {
    return Reader(document).read();
}

}  // namespace anchorhold::policy
