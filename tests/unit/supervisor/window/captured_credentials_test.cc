// Bounded in count and bytes; the oldest goes first, the message's copy at once.
#include "supervisor/window/captured_credentials.h"

#include <gtest/gtest.h>

namespace anchorhold::supervisor {
namespace {

class CapturedCredentialsTest : public testing::Test {
  protected:
    Status keep(const std::string& name, const std::string& value) {
        proto::Secret secret;
        secret.set_name(name);
        secret.set_value(value);
        secret.set_placeholder("placeholder");
        const Status kept = captured.keep(secret);
        EXPECT_TRUE(secret.value().empty());
        return kept;
    }

    proxy::SecretStore store;
    CapturedCredentials captured{store};
};

TEST_F(CapturedCredentialsTest, captured_is_found_in_the_store) {
    ASSERT_TRUE(keep("a/minted/1", "value"));
    ASSERT_NE(store.find("a/minted/1"), nullptr);
    EXPECT_EQ(store.find("a/minted/1")->value, "value");
    EXPECT_EQ(store.find("a/minted/1")->placeholder, "placeholder");
}

TEST_F(CapturedCredentialsTest, captured_again_replaces_itself) {
    ASSERT_TRUE(keep("a/minted/1", "value"));
    ASSERT_TRUE(keep("a/minted/1", "newer"));
    EXPECT_EQ(store.find("a/minted/1")->value, "newer");
    EXPECT_EQ(captured.count(), 1U);
    EXPECT_EQ(captured.bytes(), std::string("a/minted/1newerplaceholder").size());
}

TEST_F(CapturedCredentialsTest, beyond_the_count_the_oldest_is_forgotten) {
    for (size_t i = 0; i < CapturedCredentials::kMostCount + 10; ++i) {
        ASSERT_TRUE(keep("a/minted/" + std::to_string(i), "value"));
    }
    EXPECT_EQ(captured.count(), CapturedCredentials::kMostCount);
    EXPECT_EQ(store.all().size(), CapturedCredentials::kMostCount);
    EXPECT_EQ(store.find("a/minted/9"), nullptr);
    EXPECT_NE(store.find("a/minted/10"), nullptr);
}

TEST_F(CapturedCredentialsTest, beyond_the_bytes_the_oldest_are_forgotten) {
    for (size_t i = 0; i < 300; ++i) {
        ASSERT_TRUE(keep("a/minted/" + std::to_string(i), std::string(2560, 'x')));
        EXPECT_LE(captured.bytes(), CapturedCredentials::kMostBytes);
    }
    EXPECT_LT(captured.count(), 120U);
    EXPECT_NE(store.find("a/minted/299"), nullptr);
}

TEST_F(CapturedCredentialsTest, longer_than_all_room_is_refused_and_nothing_forgotten) {
    ASSERT_TRUE(keep("a/minted/1", "value"));
    EXPECT_FALSE(keep("a/minted/2", std::string(CapturedCredentials::kMostBytes, 'x')));
    EXPECT_NE(store.find("a/minted/1"), nullptr);
}

TEST_F(CapturedCredentialsTest, name_that_is_taken_is_refused) {
    ASSERT_TRUE(store.add("key", "the registry's", ""));
    EXPECT_FALSE(keep("key", "another"));
    EXPECT_EQ(store.find("key")->value, "the registry's");
}

}  // namespace
}  // namespace anchorhold::supervisor
