#include "policy/policy_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace anchorhold::policy {
namespace {

namespace fs = std::filesystem;

class policy_file : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::path(testing::TempDir()) / ("policy_file." + std::to_string(getpid()));
        fs::create_directories(folder_ / "anchorhold/policies");
        setenv("XDG_CONFIG_HOME", folder_.c_str(), 1);
    }
    void TearDown() override {
        unsetenv("XDG_CONFIG_HOME");
        fs::remove_all(folder_);
    }
    static void write(const fs::path& path, const char* text) { std::ofstream(path) << text; }

    fs::path folder_;
};

TEST_F(policy_file, path_is_taken_as_it_is) {
    const fs::path file = folder_ / "mine.yaml";
    write(file, "version: 1\nkind: grant\n");
    EXPECT_EQ(*find_policy_file(file), file);
    EXPECT_TRUE(load_policy({file}));
    EXPECT_FALSE(find_policy_file(folder_ / "other.yaml"));
}

TEST_F(policy_file, bare_name_is_found_among_the_users_policies) {
    const fs::path file = folder_ / "anchorhold/policies/mine-of-this-test.yaml";
    write(file, "version: 1\nkind: grant\n");
    EXPECT_EQ(*find_policy_file("mine-of-this-test"), file);
    EXPECT_EQ(*find_policy_file("mine-of-this-test.yaml"), file);
}

TEST_F(policy_file, error_names_where_it_looked) {
    const auto missing = find_policy_file("no-such-policy");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("no policy 'no-such-policy'"), std::string::npos);
    EXPECT_NE(missing.error().message.find(folder_.string()), std::string::npos);
    EXPECT_NE(missing.error().message.find("share/anchorhold/policies"), std::string::npos);
}

TEST_F(policy_file, several_conflicting_documents_are_not_loaded) {
    const fs::path file = folder_ / "mine.yaml";
    write(file, "version: 1\nkind: grant\n");
    EXPECT_FALSE(load_policy({file, file}));
    EXPECT_FALSE(load_policy({}));
}

}  // namespace
}  // namespace anchorhold::policy
