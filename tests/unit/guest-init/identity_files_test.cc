// Files of identity below a root of the test's own.
#include "guest-init/uniqueness/identity_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

class IdentityFilesTest : public testing::Test {
  protected:
    void SetUp() override {
        char path[] = "/tmp/anchorhold-identity-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        folder = path;
        file = folder + "/file";
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    std::string folder;
    std::string file;
};

TEST_F(IdentityFilesTest, generation_is_20_digits_and_a_newline) {
    EXPECT_EQ(generation_text(kFirstGeneration), "00000000000000000001\n");
    EXPECT_EQ(generation_text(UINT64_MAX), "18446744073709551615\n");
}

TEST_F(IdentityFilesTest, file_is_read_only_and_holds_its_text) {
    ASSERT_TRUE(sys::write_file(file, "of the image"));
    ASSERT_TRUE(InPlaceFile::create(file, "text\n"));
    struct stat status {};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0444U);
    EXPECT_EQ(sys::read_file(file).value(), "text\n");
}

TEST_F(IdentityFilesTest, rewritten_file_keeps_its_inode_and_shows_in_mappings) {
    auto generation = InPlaceFile::create(file, generation_text(1)).value();
    const OwnFd reader = sys::open(file, O_RDONLY).value();
    const void* const mapped = ::mmap(nullptr, 21, PROT_READ, MAP_SHARED, reader.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    const OwnFd watch(::inotify_init1(IN_CLOEXEC));
    ASSERT_GE(::inotify_add_watch(watch.get(), file.c_str(), IN_MODIFY), 0);
    ASSERT_TRUE(generation.rewrite(generation_text(42)));
    EXPECT_EQ(std::memcmp(mapped, "00000000000000000042\n", 21), 0);
    pollfd modified{watch.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&modified, 1, 0), 1);
}

TEST_F(IdentityFilesTest, shorter_and_longer_texts_are_whole) {
    auto name = InPlaceFile::create(file, "anchorhold\n").value();
    for (const char* text : {"a\n", "a-much-longer-name.example\n", "b\n"}) {
        ASSERT_TRUE(name.rewrite(text));
        EXPECT_EQ(sys::read_file(file).value(), text);
    }
}

TEST_F(IdentityFilesTest, file_that_was_never_made_cannot_be_rewritten) {
    InPlaceFile none;
    EXPECT_FALSE(none.rewrite("text"));
}

}  // namespace
}  // namespace anchorhold::guest_init
