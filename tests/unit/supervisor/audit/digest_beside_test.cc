// A file is what its digest says, or is refused by name.
#include "supervisor/audit/digest_beside.h"

#include <gtest/gtest.h>

#include <vector>

#include "unit/supervisor/temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

// FIPS 180-4's example.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

class DigestBesideTest : public testing::Test {
  protected:
    Status check(const std::string& bytes, const std::string& digest_file) {
        const std::vector<std::string> paths = {folder.write("image", bytes)};
        folder.write("image.sha256", digest_file);
        return check_digests_beside(paths, cache);
    }
    TemporaryFolder folder;
    const std::string cache = folder.path() + "/cache/digests";
};

TEST_F(DigestBesideTest, file_that_is_as_it_was_made_passes) {
    EXPECT_TRUE(check("abc", std::string(kAbc) + "  image\n"));
    EXPECT_TRUE(check("abc", std::string(kAbc) + "\n")) << "also without a name";
}

TEST_F(DigestBesideTest, file_without_a_digest_passes) {
    const std::vector<std::string> paths = {folder.write("image", "anything")};
    EXPECT_TRUE(check_digests_beside(paths, cache));
}

TEST_F(DigestBesideTest, other_bytes_are_refused_by_name) {
    const Status status = check("abd", std::string(kAbc) + "  image\n");
    ASSERT_FALSE(status);
    EXPECT_NE(status.error().message.find("/image is not the file that it was made as"),
              std::string::npos)
        << status.error().message;
}

TEST_F(DigestBesideTest, bytes_that_change_later_are_refused_although_they_passed) {
    ASSERT_TRUE(check("abc", std::string(kAbc) + "  image\n"));
    EXPECT_FALSE(check("abd", std::string(kAbc) + "  image\n"));
}

TEST_F(DigestBesideTest, every_file_of_several_is_looked_at) {
    const std::vector<std::string> paths = {folder.write("first", "abc"),
                                            folder.write("second", "abd")};
    folder.write("second.sha256", std::string(kAbc) + "  second\n");
    EXPECT_FALSE(check_digests_beside(paths, cache));
}

TEST_F(DigestBesideTest, missing_file_with_a_digest_is_an_error) {
    folder.write("gone.sha256", std::string(kAbc) + "  gone\n");
    const std::vector<std::string> paths = {folder.path() + "/gone"};
    EXPECT_FALSE(check_digests_beside(paths, cache));
}

TEST(DigestFile, what_sha256sum_cannot_have_written_is_refused) {
    const std::string digest = kAbc;
    for (const std::string& text :
         {std::string(), std::string("\n"), digest.substr(1), "x" + digest.substr(1), digest + "0",
          digest + " name", digest + "  ", digest + "  a\n" + digest + "  b\n",
          "BA7816BF" + digest.substr(8), " " + digest}) {
        EXPECT_FALSE(parse_digest_file(text)) << text;
    }
    EXPECT_EQ(parse_digest_file(digest + " *name").value(), "sha256:" + digest);
}

}  // namespace
}  // namespace anchorhold::supervisor
