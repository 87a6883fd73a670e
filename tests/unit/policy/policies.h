// Policies out of YAML texts, and what they say of requests.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "policy/compose.h"
#include "policy/document.h"
#include "policy/evaluator.h"
#include "policy/request_line.h"

namespace anchorhold::policy {

inline constexpr std::string_view kGrant = "version: 1\nkind: grant\n";
inline constexpr std::string_view kGuardrail = "version: 1\nkind: guardrail\n";

// Documents named a, b, c, … in files a.yaml, b.yaml, …
inline Result<proto::ResolvedPolicy> composed(std::initializer_list<std::string> texts) {
    std::vector<Document> documents;
    char name = 'a';
    for (const std::string& text : texts) {
        documents.push_back(ANCHORHOLD_TRY(parse_document(text, std::string(1, name) + ".yaml")));
        ++name;
    }
    return compose(std::move(documents));
}

inline proto::ResolvedPolicy policy_of(std::initializer_list<std::string> texts) {
    auto policy = composed(texts);
    EXPECT_TRUE(policy) << policy.error().message;
    return policy ? *policy : proto::ResolvedPolicy();
}

inline Evaluator evaluator_of(std::initializer_list<std::string> texts) {
    auto evaluator = Evaluator::create(policy_of(texts));
    EXPECT_TRUE(evaluator) << evaluator.error().message;
    return std::move(*evaluator);
}

// A grant with these rules under allow.
inline std::string allowing(std::string_view rules) {
    return std::string(kGrant) + "allow:\n" + std::string(rules) + "\n";
}
inline std::string denying(std::string_view rules) {
    return std::string(kGuardrail) + "deny:\n" + std::string(rules) + "\n";
}

// 'GET https://…'; bodies are JSON.
inline Decision decide(const Evaluator& evaluator, std::string_view request,
                       std::string_view body = "") {
    const auto line = RequestLine::parse(request);
    EXPECT_TRUE(line) << line.error().message;
    return decide(evaluator, *line, "application/json", body);
}

inline Verdict verdict(const Evaluator& evaluator, std::string_view request,
                       std::string_view body = "") {
    return decide(evaluator, request, body).verdict;
}

// The error of documents that cannot be composed or read.
inline std::string error_of(std::initializer_list<std::string> texts) {
    const auto policy = composed(texts);
    return policy ? "no error" : policy.error().message;
}

}  // namespace anchorhold::policy
