// Folders that others could look into.
#include "base/private_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace anchorhold {
namespace {

class PrivateFolderTest : public testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(::mkdtemp(folder_.data()), nullptr); }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    [[nodiscard]] std::string inner() const { return folder_ + "/a/b"; }
    static mode_t mode_of(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0);
        return status.st_mode & 0777;
    }
    std::string folder_ = "/tmp/anchorhold-private-XXXXXX";
};

TEST_F(PrivateFolderTest, missing_folder_is_made_with_its_parents_and_is_private) {
    ASSERT_TRUE(make_private_folders(inner()));
    EXPECT_EQ(mode_of(inner()), 0700U);
    EXPECT_TRUE(make_private_folder(inner()));
}

TEST_F(PrivateFolderTest, folder_that_others_could_only_read_is_closed_to_them) {
    std::filesystem::create_directories(inner());
    ASSERT_EQ(::chmod(inner().c_str(), 0755), 0);
    EXPECT_FALSE(make_private_folder(inner()));
    ASSERT_TRUE(make_private_folders(inner()));
    EXPECT_EQ(mode_of(inner()), 0700U);
}

TEST_F(PrivateFolderTest, folder_that_others_could_write_to_is_refused) {
    std::filesystem::create_directories(inner());
    ASSERT_EQ(::chmod(inner().c_str(), 0777), 0);
    EXPECT_FALSE(make_private_folders(inner()));
    EXPECT_EQ(mode_of(inner()), 0777U);
}

TEST_F(PrivateFolderTest, link_in_its_place_is_refused) {
    std::filesystem::create_directories(folder_ + "/real");
    std::filesystem::create_directory_symlink(folder_ + "/real", folder_ + "/link");
    EXPECT_FALSE(make_private_folders(folder_ + "/link"));
}

}  // namespace
}  // namespace anchorhold
