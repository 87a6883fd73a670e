// What was captured is known again after a restart, and does not grow without bound.
#include "proxy/credentials/captures.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

class CapturesTest : public testing::Test {
  protected:
    CapturesTest() {
        index.policy = &policy;
        proto::Binding& binding = *policy.add_bindings();
        binding.set_id("doc/credential/1");
        binding.set_secret("token");
        binding.set_header("authorization");
        EXPECT_TRUE(index.store.add("token", "a-real-token-value", "anchorhold-placeholder"));
    }
    void start() {
        ASSERT_TRUE(index.bind(policy.bindings(0)));
        index.recall();
        index.rebuild();
    }
    proto::ResolvedPolicy policy;
    Credentials::Index index;
};

TEST_F(CapturesTest, captured_ones_of_an_earlier_proxy_recalled) {
    ASSERT_TRUE(
        index.store.add("doc/credential/1/minted/4", "minted-value", "anchorhold-minted-1"));
    ASSERT_TRUE(index.store.add("doc/credential/1/href/9/https://h.example.com:443/a/",
                                "href-value", "anchorhold-href-one"));
    ASSERT_TRUE(index.store.add("gone/credential/1/minted/1", "left-over", "anchorhold-gone-one"));
    start();
    ASSERT_EQ(index.captured.size(), 2U);
    EXPECT_EQ(index.next_captured, 10U);
    EXPECT_TRUE(
        index.serves(index.of(&policy.bindings(0)), index.store.find("doc/credential/1/minted/4")));
    const Captured* const linked =
        index.captured_as(index.store.find("doc/credential/1/href/9/https://h.example.com:443/a/"));
    ASSERT_NE(linked, nullptr);
    EXPECT_EQ(linked->href->host, "h.example.com");
    EXPECT_EQ(linked->href->path, "/a/");
}

TEST_F(CapturesTest, same_value_kept_once_and_the_oldest_link_forgotten) {
    start();
    const proto::Binding& binding = policy.bindings(0);
    const Href href{"h.example.com", 443, "/a"};
    const auto first = index.capture(binding, "the-first-token", href);
    ASSERT_TRUE(first);
    EXPECT_EQ(*index.capture(binding, "the-first-token", href), *first);
    const auto token = index.capture(binding, "a-minted-token", std::nullopt);
    ASSERT_TRUE(token);
    const std::string kept = (*token)->name;
    const std::string gone = (*first)->name;
    for (size_t i = 0; i < Credentials::Index::kMaxCaptured; ++i) {
        ASSERT_TRUE(index.capture(binding, "token-number-" + std::to_string(i), href));
    }
    EXPECT_EQ(index.captured.size(), Credentials::Index::kMaxCaptured);
    EXPECT_EQ(index.store.find(gone), nullptr);
    EXPECT_NE(index.store.find(kept), nullptr);
}

TEST_F(CapturesTest, links_cover_their_place_only) {
    const auto href = Href::parse("https://H.example.com/a/b?q=1#f");
    ASSERT_TRUE(href);
    EXPECT_EQ(href->text(), "https://h.example.com:443/a/b");
    const Destination there{"h.example.com", 443, proto::HTTPS, {}};
    EXPECT_TRUE(href->covers(there, "/a/b?other=2"));
    EXPECT_FALSE(href->covers(there, "/a/b/c"));
    EXPECT_FALSE(href->covers(there, "/a/"));
    EXPECT_FALSE(href->covers({"h.example.com", 8443, proto::HTTPS, {}}, "/a/b"));
    EXPECT_FALSE(href->covers({"h.example.com", 443, proto::HTTP, {}}, "/a/b"));
    EXPECT_FALSE(href->covers({"x.example.com", 443, proto::HTTPS, {}}, "/a/b"));
    const auto folder = Href::parse("https://h.example.com:8443/a/");
    EXPECT_TRUE(folder->covers({"h.example.com", 8443, proto::HTTPS, {}}, "/a/b/c"));
    for (const std::string_view url :
         {"http://h/a", "https://", "https:///a", "https://u@h/a", "/a"}) {
        EXPECT_FALSE(Href::parse(url)) << url;
    }
}

TEST_F(CapturesTest, only_batch_targets_are_batches) {
    EXPECT_TRUE(is_lfs_batch("/o/r.git/info/lfs/objects/batch"));
    EXPECT_TRUE(is_lfs_batch("/info/lfs/objects/batch?x"));
    EXPECT_FALSE(is_lfs_batch("/o/r.git/info/lfs/locks"));
}

}  // namespace
}  // namespace anchorhold::proxy
