// Lending files: content, names, holes, what is refused, what is left.
#include "machine/shared_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/sys.h"
#include "temporary_folder.h"

namespace anchorhold::machine {
namespace {

class SharedFileTest : public testing::Test {
  protected:
    // Where `inside` is on this side.
    [[nodiscard]] std::string here(const SharedFile& file) const {
        return share.path() + file.inside().substr(std::string(kShareMount).size());
    }

    TemporaryFolder share;
    TemporaryFolder files;
};

TEST_F(SharedFileTest, content_is_there_under_its_own_name) {
    const std::string path = files.path() + "/image.erofs";
    ASSERT_TRUE(sys::write_file(path, "bytes"));
    const auto shared = SharedFile::lend(share.path(), path);
    ASSERT_TRUE(shared);
    EXPECT_TRUE(shared->inside().starts_with(kShareMount));
    EXPECT_TRUE(shared->inside().ends_with("/image.erofs"));
    EXPECT_EQ(sys::read_file(here(*shared)).value(), "bytes");
}

TEST_F(SharedFileTest, same_name_twice_is_two_files) {
    const std::string path = files.path() + "/image";
    ASSERT_TRUE(sys::write_file(path, "bytes"));
    const auto one = SharedFile::lend(share.path(), path);
    const auto two = SharedFile::lend(share.path(), path);
    ASSERT_TRUE(one && two);
    EXPECT_NE(one->inside(), two->inside());
}

TEST_F(SharedFileTest, file_is_taken_back_and_the_original_stays) {
    const std::string path = files.path() + "/image";
    ASSERT_TRUE(sys::write_file(path, "bytes"));
    {
        auto shared = SharedFile::lend(share.path(), path);
        ASSERT_TRUE(shared);
        const SharedFile moved = std::move(*shared);
        EXPECT_FALSE(std::filesystem::is_empty(share.path()));
    }
    EXPECT_TRUE(std::filesystem::is_empty(share.path()));
    EXPECT_EQ(sys::read_file(path).value(), "bytes");
}

TEST_F(SharedFileTest, file_of_another_file_system_is_copied_with_its_holes) {
    constexpr off_t kSize = 64 << 20;
    OwnFd source(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!source.valid()) {
        source = sys::memfd("sparse", 0).value();
    }
    ASSERT_EQ(::ftruncate(source.get(), kSize), 0);
    ASSERT_EQ(::pwrite(source.get(), "end", 3, kSize - 3), 3);
    const std::string path = "/proc/self/fd/" + std::to_string(source.get());
    const auto shared = SharedFile::lend(share.path(), path);
    ASSERT_TRUE(shared) << shared.error().message;
    struct stat status {};
    ASSERT_EQ(::stat(here(*shared).c_str(), &status), 0);
    EXPECT_EQ(status.st_size, kSize);
    EXPECT_LT(status.st_blocks * 512, kSize / 8);
    char end[3];
    const OwnFd copy = sys::open(here(*shared), O_RDONLY).value();
    ASSERT_EQ(::pread(copy.get(), end, 3, kSize - 3), 3);
    EXPECT_EQ(std::string(end, 3), "end");
}

TEST_F(SharedFileTest, missing_file_is_named) {
    const auto shared = SharedFile::lend(share.path(), "/nonexistent/image");
    ASSERT_FALSE(shared);
    EXPECT_EQ(shared.error().message, "open /nonexistent/image: No such file or directory");
}

TEST_F(SharedFileTest, folder_is_refused) {
    const auto shared = SharedFile::lend(share.path(), files.path());
    ASSERT_FALSE(shared);
    EXPECT_EQ(shared.error().message, files.path() + " is not a regular file");
    EXPECT_TRUE(std::filesystem::is_empty(share.path()));
}

}  // namespace
}  // namespace anchorhold::machine
