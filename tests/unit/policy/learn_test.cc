#include "policy/learn.h"

#include <gtest/gtest.h>

#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

DeniedRequest denied(const char* method, const char* host, const char* target) {
    return {proto::HTTPS, method, host, 443, target};
}

TEST(learn, learned_policy_allows_what_was_denied_and_nothing_else) {
    const DeniedRequest requests[] = {
        denied("GET", "api.example.com", "/a"),
        denied("GET", "api.example.com", "/b/"),
        denied("POST", "api.example.com", "/a"),
        denied("GET", "api.example.com", "/c?q=x%20y*&z"),
        denied("GET", "api.example.com", "/%2a%2Fd\"e"),
        {proto::HTTP, "GET", "192.0.2.1", 8080, "/"},
        {proto::TCP, "", "db.example.com", 5432, ""},
    };
    const std::string text = learn_policy("learned", requests);
    const Evaluator evaluator = evaluator_of({text});
    for (const char* request :
         {"GET https://api.example.com/a", "POST https://api.example.com/a",
          "GET https://api.example.com/b/", "GET https://api.example.com/c?q=x%20y*&z",
          "GET https://api.example.com/%2A%2Fd%22e", "GET http://192.0.2.1:8080/",
          "tcp://db.example.com:5432"}) {
        EXPECT_EQ(verdict(evaluator, request), Verdict::allow) << request << "\n" << text;
    }
    for (const char* request :
         {"POST https://api.example.com/b/", "GET https://api.example.com/b",
          "GET https://api.example.com/c?q=x%20yz&z", "GET https://api.example.com/x%2Fd%22e",
          "GET https://other.example.com/a", "GET http://192.0.2.1/",
          "tcp://db.example.com:5433"}) {
        EXPECT_EQ(verdict(evaluator, request), Verdict::deny) << request << "\n" << text;
    }
}

TEST(learn, what_no_grant_can_allow_is_a_comment) {
    const DeniedRequest requests[] = {denied("GET", "api.example.com", "/../x\nallow:"),
                                      denied("GET", "bad_name", "/"),
                                      denied("a b", "api.example.com", "/")};
    const std::string text = learn_policy("learned", requests);
    EXPECT_NE(text.find("# No grant can allow: GET https://api.example.com:443/../x\\x0aallow:"),
              std::string::npos)
        << text;
    EXPECT_EQ(policy_of({text}).rules_size(), 0);
}

}  // namespace
}  // namespace anchorhold::policy
