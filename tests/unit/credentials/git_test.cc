// Git over HTTPS as git and git-lfs speak it: smart HTTP with basic credentials, and the LFS batch
// API whose answers carry credentials of their own.
#include <gtest/gtest.h>

#include "credential_bench.h"
#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {
namespace {

using policy::Reason;

const std::string kSecret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
const std::string kHeld = "ghp_anchorholdQ7f3Kd9aZx77LmNoPqRsTuVwXy";

class GitTest : public testing::Test, public CredentialBench {
  protected:
    GitTest() {
        add_secret("github", kSecret, kHeld);
        proto::Binding& binding = bind_header("github", "authorization", "");
        binding.set_basic(true);
        binding.set_user("x-access-token");
    }
    static std::string basic(const std::string& pair) {
        return "Basic " + std::string(base64_encode(pair).view());
    }
    static Sent batch() {
        return {.method = "POST",
                .target = "/o/r.git/info/lfs/objects/batch",
                .fields = {{"accept", "application/vnd.git-lfs+json"},
                           {"content-type", "application/vnd.git-lfs+json; charset=utf-8"},
                           {"authorization", basic("x-access-token:" + kHeld)}},
                .body =
                    "{\"operation\":\"download\",\"transfers\":[\"basic\"],"
                    "\"objects\":[{\"oid\":\"aa\",\"size\":3}]}"};
    }
    const Fields lfs = {{"content-type", "application/vnd.git-lfs+json"}};
};

TEST_F(GitTest, smart_http_requests_get_the_real_basic_credentials) {
    const Sent requests[] = {
        {.target = "/o/r.git/info/refs?service=git-upload-pack",
         .fields = {{"git-protocol", "version=2"}}},
        {.target = "/o/r.git/info/refs?service=git-receive-pack",
         .fields = {{"authorization", basic("x-access-token:" + kHeld)}}},
        {.method = "POST",
         .target = "/o/r.git/git-upload-pack",
         .fields = {{"content-type", "application/x-git-upload-pack-request"},
                    {"content-encoding", "gzip"},
                    {"authorization", basic("anyone:" + kHeld)}},
         .body = std::string("\x1f\x8b\x08\x00 packed", 11),
         .piece = 4},
        {.method = "POST",
         .target = "/o/r.git/git-receive-pack",
         .fields = {{"content-type", "application/x-git-receive-pack-request"},
                    {"authorization", basic(kHeld + ":")}},
         .body = "00a6PACK....",
         .piece = 5},
    };
    for (const Sent& sent : requests) {
        const Outcome outcome = request(sent);
        EXPECT_EQ(outcome.reason(), Reason::none) << sent.target;
        EXPECT_EQ(outcome.header("authorization"), basic("x-access-token:" + kSecret));
        EXPECT_EQ(outcome.body, sent.body);
        EXPECT_EQ(outcome.use->body_needed(), 0U);
    }
}

TEST_F(GitTest, lfs_actions_captured_and_good_for_their_links_only) {
    Outcome outcome = request(batch());
    ASSERT_EQ(outcome.reason(), Reason::none);
    const std::string real = "bGZzLXVzZXI6cmVhbC1sZnMtdG9rZW4=";
    const Seen seen =
        answer(outcome,
               {.fields = lfs,
                .body = "{\"transfer\":\"basic\",\"objects\":[{\"oid\":\"aa\",\"size\":3,"
                        "\"authenticated\":true,\"actions\":{\"download\":{\"href\":"
                        "\"https://lfs.example.com/o/r/objects/aa\",\"header\":{\"Authorization\":"
                        "\"Basic " +
                        real +
                        "\",\"Accept\":\"application/octet-stream\"},"
                        "\"expires_in\":3600}}}]}",
                .piece = 10});
    ASSERT_FALSE(seen.refused) << seen.refused->detail;
    EXPECT_EQ(seen.body.find(real), std::string::npos);
    EXPECT_NE(seen.body.find("\"Accept\":\"application/octet-stream\""), std::string::npos);
    const auto minted = outcome.use->take_minted();
    ASSERT_EQ(minted.size(), 1U);
    EXPECT_EQ(minted[0].secret().value(), real);
    EXPECT_EQ(minted[0].secret().name(),
              policy.bindings(0).id() + "/href/1/https://lfs.example.com:443/o/r/objects/aa");
    const std::string held = "Basic " + minted[0].secret().placeholder();
    EXPECT_NE(seen.body.find("\"Authorization\":\"" + held + "\""), std::string::npos);

    const auto get = [&](const std::string& target, const std::string& host,
                         uint32_t document = 0) {
        return request({.target = target,
                        .fields = {{"authorization", held}},
                        .host = host,
                        .document = document});
    };
    Outcome download = get("/o/r/objects/aa", "lfs.example.com");
    EXPECT_EQ(download.reason(), Reason::none);
    EXPECT_EQ(download.header("authorization"), "Basic " + real);
    EXPECT_TRUE(find_field(download.head.fields, "authorization")->secret);
    EXPECT_EQ(answer(download, {.body = "echo " + real}).body,
              "echo " + minted[0].secret().placeholder());
    EXPECT_NE(get("/o/r/objects/bb", "lfs.example.com").reason(), Reason::none);
    EXPECT_NE(get("/o/r/objects/aa", "evil.example.org").reason(), Reason::none);
    EXPECT_EQ(get("/o/r/objects/aa", "lfs.example.com", 5).reason(), Reason::unbound_credential);
    EXPECT_EQ(
        request({.target = "/?t=" + minted[0].secret().placeholder(), .host = "lfs.example.com"})
            .reason(),
        Reason::stray_placeholder);
}

TEST_F(GitTest, links_serve_each_document_that_binds_the_same_secret) {
    // As github-read and github-write do: one allows the batch, the other the upload.
    proto::Binding& writing = bind_header("github", "authorization", "", 7);
    writing.set_basic(true);
    writing.set_user("x-access-token");
    Outcome outcome = request(batch());
    const Seen seen =
        answer(outcome, {.fields = lfs,
                         .body = "{\"objects\":[{\"oid\":\"aa\",\"actions\":{\"upload\":{\"href\":"
                                 "\"https://lfs.example.com/aa\",\"header\":{\"Authorization\":"
                                 "\"RemoteAuth a-token-for-this\"}}}}]}"});
    ASSERT_FALSE(seen.refused) << seen.refused->detail;
    const auto minted = outcome.use->take_minted();
    ASSERT_EQ(minted.size(), 1U);
    const auto put = [&](uint32_t document) {
        return request(
            {.method = "PUT",
             .target = "/aa",
             .fields = {{"authorization", "RemoteAuth " + minted[0].secret().placeholder()}},
             .host = "lfs.example.com",
             .document = document});
    };
    EXPECT_EQ(put(7).header("authorization"), "RemoteAuth a-token-for-this");
    EXPECT_EQ(put(0).header("authorization"), "RemoteAuth a-token-for-this");
    EXPECT_EQ(put(5).reason(), Reason::unbound_credential);
}

TEST_F(GitTest, one_token_for_many_objects_kept_once) {
    Outcome outcome = request(batch());
    std::string body = "{\"objects\":[";
    for (const std::string oid : {"aa", "ab", "cc"}) {
        body += (oid == "aa" ? "" : ",") +
                ("{\"oid\":\"" + oid + "\",\"actions\":{\"upload\":{\"href\":\"https://" +
                 std::string(kHost) + "/o/r/objects/" + oid +
                 "\",\"header\":{\"Authorization\":\"RemoteAuth the-same-token-for-all\"}}}}");
    }
    const Seen seen = answer(outcome, {.fields = lfs, .body = body + "]}"});
    ASSERT_FALSE(seen.refused) << seen.refused->detail;
    const auto minted = outcome.use->take_minted();
    ASSERT_EQ(minted.size(), 1U);
    EXPECT_TRUE(minted[0].secret().name().ends_with("/o/r/objects/"));
    const Outcome upload =
        request({.method = "PUT",
                 .target = "/o/r/objects/cc",
                 .fields = {{"authorization", "RemoteAuth " + minted[0].secret().placeholder()}},
                 .body = "abc",
                 .piece = 2});
    EXPECT_EQ(upload.reason(), Reason::none);
    EXPECT_EQ(upload.header("authorization"), "RemoteAuth the-same-token-for-all");
}

TEST_F(GitTest, answers_without_credentials_stay_as_they_are) {
    for (const std::string body :
         {"{\"objects\":[{\"oid\":\"aa\",\"actions\":{\"download\":{\"href\":"
          "\"https://cdn.example.com/aa?X-Amz-Signature=00\"}}}]}",
          "{\"objects\":[{\"oid\":\"aa\",\"error\":{\"code\":404,\"message\":\"none\"}}]}"}) {
        Outcome outcome = request(batch());
        const Seen seen = answer(outcome, {.fields = lfs, .body = body});
        EXPECT_FALSE(seen.refused);
        EXPECT_EQ(seen.body, body);
    }
}

TEST_F(GitTest, credential_for_a_link_that_is_not_https_refused) {
    for (const std::string href : {"http://lfs.example.com/aa", "https://a b/x", "ssh://x/y"}) {
        Outcome outcome = request(batch());
        const Seen seen = answer(
            outcome,
            {.fields = lfs,
             .body = "{\"objects\":[{\"actions\":{\"download\":{\"href\":\"" + href +
                     "\",\"header\":{\"Authorization\":\"Basic cmVhbC1sZnM6dG9rZW4=\"}}}}]}"});
        ASSERT_TRUE(seen.refused) << href;
        EXPECT_EQ(seen.refused->reason, Reason::minting);
        EXPECT_EQ(seen.body, "");
    }
}

}  // namespace
}  // namespace anchorhold::proxy
