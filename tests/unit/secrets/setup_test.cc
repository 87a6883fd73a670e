// What is written by hand reads as the message it is.
#include "supervisor/secrets/setup.h"

#include <gtest/gtest.h>

namespace anchorhold::supervisor {
namespace {

TEST(EncodedSetup, parsed_as_the_message_with_its_secrets) {
    proxy::SecretStore store;
    ASSERT_TRUE(store.add("one", "first-value", "placeholder-1"));
    ASSERT_TRUE(store.add("two", std::string(300, 'x') + '\0' + "\xff", ""));
    proto::ProxySetup setup;
    setup.set_sandbox_name("name");
    setup.set_idle_exit_seconds(60);
    const auto encoded = encode_setup(setup, store);
    ASSERT_TRUE(encoded) << encoded.error().message;
    proto::ProxySetup parsed;
    ASSERT_TRUE(
        parsed.ParseFromArray(encoded->bytes().data(), static_cast<int>(encoded->bytes().size())));
    EXPECT_EQ(parsed.sandbox_name(), "name");
    EXPECT_EQ(parsed.idle_exit_seconds(), 60U);
    ASSERT_EQ(parsed.secrets_size(), 2);
    EXPECT_EQ(parsed.secrets(0).name(), "one");
    EXPECT_EQ(parsed.secrets(0).value(), "first-value");
    EXPECT_EQ(parsed.secrets(0).placeholder(), "placeholder-1");
    EXPECT_EQ(parsed.secrets(1).value(), store.find("two")->value);
}

}  // namespace
}  // namespace anchorhold::supervisor
