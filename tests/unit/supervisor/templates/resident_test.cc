// make_resident() on a sparse memory file.
#include "supervisor/templates/resident.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/sys.h"

namespace anchorhold::supervisor {
namespace {

constexpr uint64_t kBytes = uint64_t{8} << 20;

OpenTemplate with_memory(const std::string& text, uint64_t offset) {
    OpenTemplate opened;
    opened.manifest.shape.memory_bytes = kBytes;
    opened.files.memory = *sys::memfd("file", kBytes);
    EXPECT_EQ(
        ::pwrite(opened.files.memory.get(), text.data(), text.size(), static_cast<off_t>(offset)),
        static_cast<ssize_t>(text.size()));
    return opened;
}

TEST(Resident, memory_has_the_files_bytes_and_size) {
    const std::string text(uint64_t{3} << 20, 'm');
    OpenTemplate opened = with_memory(text, uint64_t{1} << 20);
    ASSERT_TRUE(make_resident(opened));
    EXPECT_EQ(sys::file_size(opened.files.memory.get(), "memory"), kBytes);
    std::string read(text.size(), '\0');
    ASSERT_EQ(::pread(opened.files.memory.get(), read.data(), read.size(), 1 << 20),
              static_cast<ssize_t>(read.size()));
    EXPECT_EQ(read, text);
    std::array<char, 1> hole = {'x'};
    ASSERT_EQ(::pread(opened.files.memory.get(), hole.data(), 1, 0), 1);
    EXPECT_EQ(hole[0], 0);
}

TEST(Resident, memory_cannot_be_written_any_more) {
    OpenTemplate opened = with_memory("bytes", 0);
    ASSERT_TRUE(make_resident(opened));
    EXPECT_EQ(::pwrite(opened.files.memory.get(), "x", 1, 0), -1);
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, opened.files.memory.get(), 0),
              MAP_FAILED);
}

}  // namespace
}  // namespace anchorhold::supervisor
