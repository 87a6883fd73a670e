#include "snapshot/page_copier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/sys.h"
#include "snapshot/pagemap.h"

namespace anchorhold::snapshot {
namespace {

constexpr uint64_t kPages = 64;
constexpr std::array<PageRange, 3> kRanges = {PageRange{0, 1}, PageRange{7, 5}, PageRange{63, 1}};

// Every page of `file` says which one it is.
void number_pages(int file) {
    for (uint64_t page = 0; page < kPages; ++page) {
        const std::string text = "page " + std::to_string(page);
        ASSERT_EQ(::pwrite(file, text.data(), text.size(), static_cast<off_t>(page * kPageBytes)),
                  static_cast<ssize_t>(text.size()));
    }
    ASSERT_EQ(::ftruncate(file, kPages * kPageBytes), 0);
}

std::string text_at(const OwnMapping& memory, uint64_t page) {
    return reinterpret_cast<const char*>(memory.data() + page * kPageBytes);
}

void makes_pages_own(int file) {
    const auto memory = OwnMapping::map(kPages * kPageBytes, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_NORESERVE, file);
    ASSERT_TRUE(memory);
    PageCopier copier;
    EXPECT_EQ(copier.make_own(memory->bytes(), file, kRanges), count_pages(kRanges));
    const auto pagemap = sys::open("/proc/self/pagemap", O_RDONLY);
    ASSERT_TRUE(pagemap);
    const auto used = observed_pages(pagemap->get(), memory->data(), memory->size());
    ASSERT_TRUE(used);
    EXPECT_EQ(used->written, std::vector<PageRange>(kRanges.begin(), kRanges.end()));
    // Those that are own, those that are not, and those that become so now.
    for (uint64_t page = 0; page < kPages; ++page) {
        EXPECT_EQ(text_at(*memory, page), "page " + std::to_string(page));
        memory->data()[page * kPageBytes] = std::byte{'P'};
    }
    std::array<char, 4> first{};
    ASSERT_EQ(::pread(file, first.data(), first.size(), 0), 4);
    EXPECT_EQ(std::string_view(first.data(), 4), "page");
}

TEST(PageCopierTest, pages_of_a_sealed_memory_file_are_copied) {
    const auto file = sys::memfd("memory", 0, MFD_ALLOW_SEALING);
    ASSERT_TRUE(file);
    number_pages(file->get());
    ASSERT_EQ(::fcntl(file->get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
    makes_pages_own(file->get());
}

// Of another file system's userfaultfd copies nothing.
TEST(PageCopierTest, pages_of_a_file_on_disk_are_populated) {
    const auto file = sys::open(::testing::TempDir(), O_RDWR | O_TMPFILE, 0600);
    ASSERT_TRUE(file);
    number_pages(file->get());
    makes_pages_own(file->get());
}

TEST(PageCopierTest, second_use_populates_what_it_cannot_copy) {
    const auto file = sys::memfd("memory", 0);
    ASSERT_TRUE(file);
    number_pages(file->get());
    const auto memory =
        OwnMapping::map(kPages * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file->get());
    ASSERT_TRUE(memory);
    PageCopier copier;
    EXPECT_EQ(copier.make_own(memory->bytes(), file->get(), {kRanges.data(), 1}), 1);
    EXPECT_EQ(copier.make_own(memory->bytes(), file->get(), kRanges), count_pages(kRanges));
    EXPECT_EQ(text_at(*memory, 11), "page 11");
}

}  // namespace
}  // namespace anchorhold::snapshot
