// The registry's file: what is read, what is refused and where, and who gets what.
#include "supervisor/secrets/registry.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "secret_folder.h"

namespace anchorhold::supervisor {
namespace {

class RegistryTest : public testing::Test {
  protected:
    Result<SecretRegistry> load(const std::string& text, mode_t mode = 0600) {
        return SecretRegistry::load(folder.write("secrets.yaml", text, mode));
    }
    std::string error(const std::string& text) {
        const auto loaded = load(text);
        if (loaded) {
            return "loaded";
        }
        const std::string& message = loaded.error().message;
        return message.substr(message.rfind("secrets.yaml") + 12);
    }
    // A document "github-read" with one bearer binding of `secret` for `host`.
    static proto::ResolvedPolicy policy_of(const std::string& secret, const std::string& host) {
        proto::ResolvedPolicy policy;
        policy.add_documents()->set_name("github-read");
        policy.mutable_documents(0)->set_file("github-read.yaml");
        proto::Binding& binding = *policy.add_bindings();
        binding.mutable_origin()->set_line(12);
        binding.mutable_origin()->set_column(5);
        binding.set_secret(secret);
        binding.set_header("authorization");
        binding.add_variables("GITHUB_TOKEN");
        if (host.starts_with("*.")) {
            binding.add_hosts()->set_suffix(host.substr(2));
        } else {
            binding.add_hosts()->set_exact(host);
        }
        return policy;
    }
    SecretFolder folder;
};

TEST_F(RegistryTest, secret_resolved_with_a_placeholder_in_its_variable) {
    folder.write("token", "ghp_16C7e42F292c6912E7710c838347Ae178B4a\n");
    const auto registry = load(
        "secrets:\n  github:\n    from: {file: token}\n    hosts: [api.github.com, github.com]\n"
        "    policies: [github-read, github-write]\n");
    ASSERT_TRUE(registry) << registry.error().message;
    EXPECT_EQ(registry->size(), 1U);
    const auto secrets = registry->resolve(policy_of("github", "api.github.com"));
    ASSERT_TRUE(secrets) << secrets.error().message;
    const proxy::StoredSecret* const secret = secrets->store.find("github");
    ASSERT_NE(secret, nullptr);
    EXPECT_EQ(secret->value, "ghp_16C7e42F292c6912E7710c838347Ae178B4a");
    EXPECT_TRUE(secret->placeholder.starts_with("ghp_anchorhold"));
    EXPECT_EQ(
        secrets->environment,
        (std::vector<std::pair<std::string, std::string>>{{"GITHUB_TOKEN", secret->placeholder}}));
    const auto again = registry->resolve(policy_of("github", "github.com"));
    EXPECT_NE(again->store.find("github")->placeholder, secret->placeholder);
}

TEST_F(RegistryTest, aws_keys_and_certificates_resolved) {
    folder.write("s", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    folder.write("k", "AKIAIOSFODNN7EXAMPLE");
    folder.write("pem", "-----BEGIN\nCERTIFICATE-----");
    const std::string rest = ", hosts: \"*.example.com\", policies: \"*\"}\n";
    const auto registry = load("secrets:\n  s: {from: {file: s}" + rest + "  k: {from: {file: k}" +
                               rest + "  pem: {from: {file: pem}" + rest);
    ASSERT_TRUE(registry) << registry.error().message;
    proto::ResolvedPolicy policy = policy_of("s", "a.example.com");
    policy.mutable_bindings(0)->clear_variables();
    policy.mutable_bindings(0)->mutable_aws_sigv4()->set_access_key_secret("k");
    policy.mutable_bindings(0)->mutable_aws_sigv4()->set_access_key_variable("AWS_ACCESS_KEY_ID");
    proto::Binding& certificate = *policy.add_bindings();
    certificate = policy_of("pem", "*.example.com").bindings(0);
    certificate.clear_variables();
    certificate.mutable_client_certificate()->set_certificate_secret("pem");
    const auto secrets = registry->resolve(policy);
    ASSERT_TRUE(secrets) << secrets.error().message;
    EXPECT_EQ(secrets->store.all().size(), 3U);
    EXPECT_EQ(secrets->store.find("k")->placeholder.size(), 20U);
    EXPECT_EQ(secrets->store.find("pem")->placeholder, "");
    ASSERT_EQ(secrets->environment.size(), 1U);
    EXPECT_EQ(secrets->environment[0].first, "AWS_ACCESS_KEY_ID");
}

TEST_F(RegistryTest, secret_kept_within_its_hosts_and_policies) {
    folder.write("token", "the-value");
    const auto registry = load(
        "secrets:\n  one: {from: {file: token}, hosts: [a.example.com, \"*.b.example.com\"], "
        "policies: [github-read]}\n  other: {from: {file: token}, hosts: [a.example.com], "
        "policies: [else]}\n");
    ASSERT_TRUE(registry) << registry.error().message;
    for (const std::string host : {"a.example.com", "x.b.example.com", "*.b.example.com"}) {
        EXPECT_TRUE(registry->resolve(policy_of("one", host))) << host;
    }
    for (const std::string host :
         {"c.example.com", "*.example.com", "b.example.com", "a.example.com.evil.org"}) {
        const auto refused = registry->resolve(policy_of("one", host));
        ASSERT_FALSE(refused) << host;
        EXPECT_TRUE(refused.error().message.starts_with("github-read.yaml:12:5: secret one: "));
        EXPECT_NE(refused.error().message.find(host), std::string::npos);
        EXPECT_NE(refused.error().message.find("secrets.yaml:2:"), std::string::npos);
    }
    const auto stranger = registry->resolve(policy_of("other", "a.example.com"));
    ASSERT_FALSE(stranger);
    EXPECT_NE(stranger.error().message.find("policy github-read may not name it"),
              std::string::npos);
    EXPECT_FALSE(registry->resolve(policy_of("none", "a.example.com")));
}

TEST_F(RegistryTest, value_that_cannot_be_had_names_the_line) {
    const auto registry =
        load("secrets:\n  one: {from: {file: none}, hosts: [a.example.com], policies: [\"*\"]}\n");
    const auto secrets = registry->resolve(policy_of("one", "a.example.com"));
    ASSERT_FALSE(secrets);
    EXPECT_NE(secrets.error().message.find("secrets.yaml:2:8: secret one: open "),
              std::string::npos)
        << secrets.error().message;
}

TEST_F(RegistryTest, missing_file_is_an_empty_registry) {
    const auto registry = SecretRegistry::load(folder.path("none.yaml"));
    ASSERT_TRUE(registry);
    EXPECT_EQ(registry->size(), 0U);
    EXPECT_TRUE(registry->resolve(proto::ResolvedPolicy()));
}

TEST_F(RegistryTest, file_that_others_can_reach_refused) {
    for (const mode_t mode : {0644, 0660}) {
        const auto registry = load("secrets: {}\n", mode);
        ASSERT_FALSE(registry);
        EXPECT_NE(registry.error().message.find("chmod 600"), std::string::npos);
    }
}

TEST_F(RegistryTest, mistakes_named_with_their_place_and_never_quoted) {
    const std::string rest = ", hosts: [a.example.com], policies: [p]}\n";
    const std::pair<std::string, std::string> cases[] = {
        {"secrets:\n  one: sk-hidden-value\n", ":2:8: "},
        {"secrets:\n  one: {from: sk-hidden-value" + rest, ":2:15: "},
        {"secrets:\n  one: {from: {value: sk-hidden-value}" + rest, ":2:16: "},
        {"secrets:\n  one: {value: sk-hidden-value" + rest, ":2:9: "},
        {"secrets:\n  one: {from: {environment: 'sk-hidden-value'}" + rest, ":2:29: "},
        {"secrets:\n  one: {from: {command: sk-hidden-value}" + rest, ":2:25: "},
        {"secrets:\n  one: {from: {systemd: ../sk-hidden-value}" + rest, ":2:25: "},
        {"secrets:\n  one: {from: {file: a, command: [b]}" + rest, ":2:15: "},
        {"secrets:\n  One: {from: {file: a}" + rest, ":2:3: "},
        {"secrets:\n  one: {from: {file: a}, policies: [p]}\n", ":2:8: "},
        {"secrets:\n  one: {from: {file: a}, hosts: [a.example.com]}\n", ":2:8: "},
        {"secrets:\n  one: {from: {file: a}, hosts: [\"*\"], policies: [p]}\n", ":2:34: "},
        {"secrets:\n  one: {from: {file: a}, hosts: [10.0.0.0/8], policies: [p]}\n", ":2:34: "},
        {"secrets:\n  one: {from: {file: a}, hosts: [a.example.com], policies: [P]}\n", ":2:"},
        {"other: 1\n", ":1:1: "},
        {"secrets: [1]\n", ":1:10: "},
        {"secrets: {\n", ":"},
    };
    for (const auto& [text, place] : cases) {
        const std::string message = error(text);
        EXPECT_TRUE(message.starts_with(place)) << text << message;
        EXPECT_EQ(message.find("hidden-value"), std::string::npos) << message;
    }
}

TEST_F(RegistryTest, default_path_follows_xdg) {
    ::setenv("XDG_CONFIG_HOME", "/c", 1);
    EXPECT_EQ(SecretRegistry::default_path(), "/c/anchorhold/secrets.yaml");
    ::unsetenv("XDG_CONFIG_HOME");
    ::setenv("HOME", "/h", 1);
    EXPECT_EQ(SecretRegistry::default_path(), "/h/.config/anchorhold/secrets.yaml");
}

}  // namespace
}  // namespace anchorhold::supervisor
