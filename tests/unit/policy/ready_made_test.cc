// What the policies in policies/ allow and deny.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "policy/policy_file.h"
#include "unit/policy/policies.h"

namespace anchorhold::policy {
namespace {

struct Case {
    const char* request;
    Verdict verdict;
    size_t bindings = 0;
    const char* body = "";
};

constexpr Verdict kAllow = Verdict::allow;
constexpr Verdict kDeny = Verdict::deny;

void check(const std::vector<std::string>& names, std::initializer_list<Case> cases) {
    std::vector<std::string> files;
    for (const std::string& name : names) {
        files.push_back(std::string(READY_MADE_POLICIES) + "/" + name + ".yaml");
    }
    auto policy = load_policy(files);
    ASSERT_TRUE(policy) << policy.error().message;
    const auto evaluator = Evaluator::create(std::move(*policy));
    ASSERT_TRUE(evaluator) << evaluator.error().message;
    for (const Case& one : cases) {
        const Decision decision = decide(*evaluator, one.request, one.body);
        EXPECT_EQ(decision.verdict, one.verdict) << one.request << " " << one.body;
        EXPECT_EQ(decision.bindings.size(), one.bindings) << one.request;
    }
}

TEST(ready_made, anthropic) {
    check({"anthropic"}, {{"POST https://api.anthropic.com/v1/messages", kAllow, 2},
                          {"POST https://api.anthropic.com/v1/messages?beta=true", kAllow, 2},
                          {"POST https://api.anthropic.com/v1/messages/count_tokens", kAllow, 2},
                          {"GET https://api.anthropic.com/v1/models", kAllow, 2},
                          {"GET https://api.anthropic.com/v1/models/x", kAllow, 2},
                          {"GET https://api.anthropic.com/v1/messages", kDeny},
                          {"POST https://api.anthropic.com/v1/files", kDeny},
                          {"GET https://api.anthropic.com/v1/organizations/api_keys", kDeny},
                          {"POST http://api.anthropic.com:443/v1/messages", kDeny},
                          {"POST https://console.anthropic.com/v1/messages", kDeny}});
}

TEST(ready_made, openai) {
    check({"openai"}, {{"POST https://api.openai.com/v1/chat/completions", kAllow, 1},
                       {"POST https://api.openai.com/v1/responses", kAllow, 1},
                       {"GET https://api.openai.com/v1/models", kAllow, 1},
                       {"POST https://api.openai.com/v1/files", kDeny},
                       {"DELETE https://api.openai.com/v1/models/ft", kDeny},
                       {"POST https://api.openai.com/v1/realtime/sessions", kDeny},
                       {"GET https://api.openai.com/v1/organization/admin_api_keys", kDeny}});
}

TEST(ready_made, github_read) {
    check({"github-read"},
          {{"GET https://api.github.com/repos/x/y/issues?state=open", kAllow, 1},
           {"GET https://api.github.com/user", kAllow, 1},
           {"POST https://api.github.com/graphql", kAllow, 1, R"({"query":"{viewer{login}}"})"},
           {"POST https://api.github.com/graphql", kDeny, 0, R"({"query":"mutation{addStar}"})"},
           {"POST https://api.github.com/graphql", kDeny},
           {"GET https://api.github.com/graphql?query={viewer}", kDeny},
           {"POST https://api.github.com/repos/x/y/issues", kDeny},
           {"DELETE https://api.github.com/repos/x/y", kDeny},
           {"GET https://api.github.com/user/keys", kDeny},
           {"GET https://github.com/x/y.git/info/refs?service=git-upload-pack", kAllow, 1},
           {"GET https://github.com/x/y.git/info/refs?service=git-receive-pack", kDeny},
           {"GET "
            "https://github.com/x/y.git/info/refs?service=git-upload-pack&service=git-receive-pack",
            kDeny},
           {"GET https://github.com/x/y.git/info/refs", kDeny},
           {"POST https://github.com/x/y.git/git-upload-pack", kAllow, 1},
           {"POST https://github.com/x/y.git/git-receive-pack", kDeny},
           {"POST https://github.com/x/y.git/info/lfs/objects/batch", kAllow, 1},
           {"GET https://github-cloud.githubusercontent.com/alambic/media/1?X-Amz-Signature=2",
            kAllow},
           {"PUT https://github-cloud.s3.amazonaws.com/alambic/media/1", kDeny},
           {"GET https://raw.githubusercontent.com/x/y/main/README.md", kAllow},
           {"GET https://github.com/x/y", kDeny},
           {"POST https://github.com/login/oauth/access_token", kDeny}});
}

TEST(ready_made, github_write) {
    check({"github-write"},
          {{"POST https://api.github.com/repos/x/y/issues", kAllow, 1},
           {"PATCH https://api.github.com/repos/x/y/pulls/3", kAllow, 1},
           {"PUT https://api.github.com/repos/x/y/pulls/3/merge", kAllow, 1},
           {"PUT https://api.github.com/repos/x/y/contents/a/b", kAllow, 1},
           {"POST https://api.github.com/repos/x/y/git/refs", kAllow, 1},
           {"DELETE https://api.github.com/repos/x/y", kDeny},
           {"PATCH https://api.github.com/repos/x/y", kDeny},
           {"POST https://api.github.com/repos/x/y/keys", kDeny},
           {"POST https://api.github.com/repos/x/y/hooks", kDeny},
           {"PUT https://api.github.com/repos/x/y/actions/secrets/s", kDeny},
           {"PUT https://api.github.com/repos/x/y/collaborators/z", kDeny},
           {"GET https://github.com/x/y.git/info/refs?service=git-receive-pack", kAllow, 1},
           {"POST https://github.com/x/y.git/git-receive-pack", kAllow, 1},
           {"POST https://github.com/x/y.git/git-upload-pack", kDeny},
           {"POST https://github.com/x/y.git/info/lfs/locks/verify", kAllow, 1},
           {"PUT https://github-cloud.s3.amazonaws.com/alambic/media/1", kAllow}});
}

TEST(ready_made, github_read_and_write_go_together) {
    check({"github-read", "github-write"},
          {{"GET https://api.github.com/repos/x/y/issues", kAllow, 1},
           {"POST https://api.github.com/repos/x/y/issues", kAllow, 1},
           {"POST https://github.com/x/y.git/info/lfs/objects/batch", kAllow, 1},
           {"DELETE https://api.github.com/repos/x/y", kDeny}});
}

TEST(ready_made, pypi) {
    check({"pypi"}, {{"GET https://pypi.org/simple/requests/", kAllow},
                     {"GET https://pypi.org/pypi/requests/json", kAllow},
                     {"GET https://files.pythonhosted.org/packages/a/b/c.whl", kAllow},
                     {"HEAD https://files.pythonhosted.org/packages/a/b/c.whl", kAllow},
                     {"POST https://pypi.org/simple/requests/", kDeny},
                     {"POST https://upload.pypi.org/legacy/", kDeny},
                     {"GET https://pypi.org/account/login/", kDeny}});
}

TEST(ready_made, npm) {
    check({"npm"}, {{"GET https://registry.npmjs.org/express", kAllow},
                    {"GET https://registry.npmjs.org/@types%2fnode", kAllow},
                    {"GET https://registry.npmjs.org/@types/node", kAllow},
                    {"GET https://registry.npmjs.org/express/-/express-4.18.2.tgz", kAllow},
                    {"GET https://registry.npmjs.org/@types/node/-/node-20.0.0.tgz", kAllow},
                    {"POST https://registry.npmjs.org/-/npm/v1/security/advisories/bulk", kAllow},
                    {"PUT https://registry.npmjs.org/express", kDeny},
                    {"POST https://registry.npmjs.org/-/npm/v1/tokens", kDeny},
                    {"PUT https://registry.npmjs.org/-/user/org.couchdb.user:x", kDeny},
                    {"GET https://registry.npmjs.org/express%2fx", kDeny}});
}

TEST(ready_made, debian) {
    check({"debian"}, {{"GET http://deb.debian.org/debian/dists/bookworm/InRelease", kAllow},
                       {"GET https://deb.debian.org/debian/pool/main/b/bc/bc.deb", kAllow},
                       {"GET http://security.debian.org/debian-security/x", kAllow},
                       {"POST http://deb.debian.org/debian/", kDeny},
                       {"GET http://deb.debian.org:8080/debian/", kDeny},
                       {"GET http://example.com/debian/", kDeny}});
}

TEST(ready_made, aws_s3_read) {
    check({"aws-s3-read"},
          {{"GET https://bucket.s3.us-east-1.amazonaws.com/key", kAllow, 1},
           {"GET https://s3.us-east-1.amazonaws.com/bucket?list-type=2&prefix=a", kAllow, 1},
           {"HEAD https://bucket.s3.amazonaws.com/a/b", kAllow, 1},
           {"PUT https://bucket.s3.us-east-1.amazonaws.com/key", kDeny},
           {"DELETE https://bucket.s3.us-east-1.amazonaws.com/key", kDeny},
           {"GET https://bucket.s3.us-east-1.amazonaws.com/key?X-Amz-Signature=1", kDeny},
           {"GET https://bucket.s3.eu-central-1.amazonaws.com/key", kDeny},
           {"POST https://sts.amazonaws.com/", kDeny}});
}

TEST(ready_made, all_go_together) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(READY_MADE_POLICIES)) {
        if (entry.path().extension() == ".yaml") {
            names.push_back(entry.path().stem());
        }
    }
    EXPECT_GE(names.size(), 8U);
    check(names, {{"GET https://example.com/", kDeny}});
}

}  // namespace
}  // namespace anchorhold::policy
