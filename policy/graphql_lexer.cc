// Strict where leniency could hide a token from us that a server sees.
#include "policy/graphql_lexer.h"

#include <algorithm>

namespace anchorhold::policy {
namespace {

using Kind = GraphQlToken::Kind;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool begins_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool continues_name(char c) {
    return begins_name(c) || is_digit(c);
}

size_t digits_at(std::string_view text, size_t position) {
    size_t end = position;
    while (end < text.size() && is_digit(text[end])) {
        ++end;
    }
    return end - position;
}

}  // namespace

void GraphQlLexer::skip_ignored() {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    for (;;) {
        if (rest_.starts_with(kByteOrderMark)) {
            rest_.remove_prefix(kByteOrderMark.size());
        } else if (rest_.starts_with('#')) {
            rest_.remove_prefix(std::min(rest_.size(), rest_.find_first_of("\r\n")));
        } else if (!rest_.empty() &&
                   std::string_view(" \t\r\n,").find(rest_.front()) != std::string_view::npos) {
            rest_.remove_prefix(1);
        } else {
            return;
        }
    }
}

GraphQlToken GraphQlLexer::take(Kind kind, size_t length) {
    const GraphQlToken token{kind, rest_.substr(0, length)};
    rest_.remove_prefix(length);
    return token;
}

Result<GraphQlToken> GraphQlLexer::next() {
    skip_ignored();
    if (rest_.empty()) {
        return GraphQlToken{};
    }
    const char first = rest_.front();
    if (begins_name(first)) {
        const auto* end = std::ranges::find_if_not(rest_, continues_name);
        return take(Kind::name, static_cast<size_t>(end - rest_.begin()));
    }
    if (rest_.starts_with("...")) {
        return take(Kind::punctuator, 3);
    }
    if (std::string_view("!$&():=@[]{|}").find(first) != std::string_view::npos) {
        return take(Kind::punctuator, 1);
    }
    if (is_digit(first) || first == '-') {
        return number();
    }
    if (rest_.starts_with("\"\"\"")) {
        return block_string();
    }
    if (first == '"') {
        return string();
    }
    return fail("a character that GraphQL does not know");
}

// §2.9.1, §2.9.2.
Result<GraphQlToken> GraphQlLexer::number() {
    size_t end = rest_.front() == '-' ? 1 : 0;
    const size_t whole = digits_at(rest_, end);
    if (whole == 0 || (whole > 1 && rest_[end] == '0')) {
        return fail("not a number");
    }
    end += whole;
    if (end < rest_.size() && rest_[end] == '.') {
        const size_t fraction = digits_at(rest_, end + 1);
        if (fraction == 0) {
            return fail("not a number");
        }
        end += 1 + fraction;
    }
    if (end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
        ++end;
        if (end < rest_.size() && (rest_[end] == '+' || rest_[end] == '-')) {
            ++end;
        }
        const size_t exponent = digits_at(rest_, end);
        if (exponent == 0) {
            return fail("not a number");
        }
        end += exponent;
    }
    if (end < rest_.size() && (begins_name(rest_[end]) || rest_[end] == '.')) {
        return fail("not a number");
    }
    return take(Kind::value, end);
}

// §2.9.4.
Result<GraphQlToken> GraphQlLexer::string() {
    for (size_t i = 1; i < rest_.size(); ++i) {
        const char c = rest_[i];
        if (c == '"') {
            return take(Kind::value, i + 1);
        }
        if (c == '\r' || c == '\n') {
            break;
        }
        if (c == '\\') {
            ++i;
            if (i == rest_.size() ||
                std::string_view("\"\\/bfnrtu").find(rest_[i]) == std::string_view::npos) {
                return fail("a string with an unknown escape");
            }
        }
    }
    return fail("a string without an end");
}

Result<GraphQlToken> GraphQlLexer::block_string() {
    for (size_t i = 3; i < rest_.size();) {
        const std::string_view here = rest_.substr(i);
        if (here.starts_with("\\\"\"\"")) {
            i += 4;
        } else if (here.starts_with("\"\"\"")) {
            return take(Kind::value, i + 3);
        } else {
            ++i;
        }
    }
    return fail("a block string without an end");
}

}  // namespace anchorhold::policy
