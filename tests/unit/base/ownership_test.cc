// Descriptors and mappings have one owner and end with it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fd.h"
#include "base/mapping.h"
#include "base/sys.h"

namespace anchorhold {
namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

OwnFd some_fd() {
    return sys::event_fd().value();
}

bool is_mapped(const std::byte* address) {
    unsigned char resident = 0;
    return ::mincore(const_cast<std::byte*>(address), 1, &resident) == 0;
}

OwnMapping some_mapping(size_t size = 4096) {
    return OwnMapping::map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS).value();
}

TEST(OwnFd, destructor_closes) {
    int number = -1;
    {
        const OwnFd fd = some_fd();
        number = fd.get();
        EXPECT_TRUE(fd.valid());
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
}

TEST(OwnFd, empty_owns_nothing) {
    const OwnFd fd;
    EXPECT_FALSE(fd.valid());
    EXPECT_EQ(fd.get(), -1);
}

TEST(OwnFd, move_leaves_the_source_empty) {
    OwnFd source = some_fd();
    const int number = source.get();
    const OwnFd target(std::move(source));
    EXPECT_FALSE(source.valid());  // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(target.get(), number);
    EXPECT_TRUE(is_open(number));
}

TEST(OwnFd, move_assignment_closes_what_was_held) {
    OwnFd source = some_fd();
    OwnFd target = some_fd();
    const int kept = source.get();
    const int closed = target.get();
    target = std::move(source);
    EXPECT_EQ(target.get(), kept);
    EXPECT_TRUE(is_open(kept));
    EXPECT_FALSE(is_open(closed));
}

TEST(OwnFd, move_assignment_to_itself_keeps_it) {
    OwnFd fd = some_fd();
    const int number = fd.get();
    OwnFd& same = fd;
    fd = std::move(same);
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(is_open(number));
}

TEST(OwnFd, release_gives_it_away_open) {
    OwnFd fd = some_fd();
    const int number = fd.release();
    EXPECT_FALSE(fd.valid());
    EXPECT_TRUE(is_open(number));
    ::close(number);
}

TEST(OwnFd, reset_keeps_errno) {
    OwnFd bad(987654);  // closing it fails with EBADF
    errno = ENOSPC;
    bad.reset();
    EXPECT_EQ(errno, ENOSPC);
}

TEST(OwnMapping, destructor_unmaps) {
    const std::byte* address = nullptr;
    {
        const OwnMapping mapping = some_mapping();
        address = mapping.data();
        EXPECT_EQ(mapping.size(), 4096U);
        EXPECT_EQ(mapping.bytes().size(), 4096U);
        EXPECT_TRUE(is_mapped(address));
    }
    EXPECT_FALSE(is_mapped(address));
}

TEST(OwnMapping, move_leaves_the_source_empty) {
    OwnMapping source = some_mapping();
    std::byte* const address = source.data();
    OwnMapping target(std::move(source));
    EXPECT_EQ(source.data(), nullptr);  // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(source.size(), 0U);
    EXPECT_EQ(target.data(), address);
    OwnMapping other = some_mapping();
    const std::byte* const replaced = other.data();
    other = std::move(target);
    EXPECT_EQ(other.data(), address);
    EXPECT_TRUE(is_mapped(address));
    EXPECT_FALSE(is_mapped(replaced));
}

TEST(OwnMapping, of_file_offset_shows_that_part) {
    const OwnFd file = sys::memfd("mapped", 8192).value();
    ASSERT_EQ(::pwrite(file.get(), "page two", 8, 4096), 8);
    const OwnMapping mapping =
        OwnMapping::map(4096, PROT_READ, MAP_SHARED, file.get(), 4096).value();
    EXPECT_EQ(std::memcmp(mapping.data(), "page two", 8), 0);
}

TEST(OwnMapping, failure_names_the_size_and_reason) {
    const auto nothing = OwnMapping::map(0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().message, "mmap 0 bytes: Invalid argument");
    EXPECT_EQ(nothing.error().code, EINVAL);
}

}  // namespace
}  // namespace anchorhold
