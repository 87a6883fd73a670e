// The right digest, from the cache only while the file is the same.
#include "supervisor/audit/file_digest.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "unit/supervisor/temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

// FIPS 180-4's example.
constexpr const char* kAbc =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

class FileDigestTest : public testing::Test {
  protected:
    TemporaryFolder folder;
    const std::string cache = folder.path() + "/cache/digests";
};

TEST_F(FileDigestTest, digest_is_sha256_of_the_bytes) {
    const std::string file = folder.write("image", "abc");
    EXPECT_EQ(file_digest(file, cache).value(), kAbc);
    EXPECT_EQ(file_digest(file, cache).value(), kAbc);  // from the cache
    EXPECT_EQ(file_digest(file, "").value(), kAbc);
}

TEST_F(FileDigestTest, changed_file_is_read_again) {
    const std::string file = folder.write("image", "abd");
    const std::string before = file_digest(file, cache).value();
    folder.write("image", "abc");
    EXPECT_NE(before, kAbc);
    EXPECT_EQ(file_digest(file, cache).value(), kAbc);
}

TEST_F(FileDigestTest, entry_that_is_not_whole_is_not_believed) {
    const std::string file = folder.write("image", "abc");
    file_digest(file, cache).value();
    for (const auto& entry : std::filesystem::directory_iterator(cache)) {
        std::filesystem::resize_file(entry.path(), 20);
    }
    EXPECT_EQ(file_digest(file, cache).value(), kAbc);
}

TEST_F(FileDigestTest, folder_that_cannot_be_made_is_no_error) {
    const std::string file = folder.write("image", "abc");
    EXPECT_EQ(file_digest(file, file + "/below-a-file").value(), kAbc);
}

TEST_F(FileDigestTest, what_is_no_file_is_refused) {
    EXPECT_FALSE(file_digest(folder.path(), cache));
    EXPECT_FALSE(file_digest(folder.path() + "/absent", cache));
}

}  // namespace
}  // namespace anchorhold::supervisor
