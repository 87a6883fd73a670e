// Entries as numbers, and a private mapping of this process.
#include "snapshot/pagemap.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/sys.h"

namespace anchorhold::snapshot {
namespace {

constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kFile = uint64_t{1} << 61;

TEST(AddPagemapEntries, bits_decide) {
    const struct {
        const char* name;
        uint64_t entry;
        bool read, written;
    } cases[] = {
        {"never touched", 0, false, false},
        {"soft-dirty only", uint64_t{1} << 55, false, false},
        {"page of the file", kPresent | kFile, true, false},
        {"private copy", kPresent, false, true},
        {"private copy, exclusive", kPresent | uint64_t{1} << 56, false, true},
        {"private copy in swap", kSwapped, false, true},
        {"page of the file, on its way", kSwapped | kFile, false, false},
    };
    for (const auto& test : cases) {
        WorkingSet set;
        add_pagemap_entries(set, std::span(&test.entry, 1), 7);
        const std::vector<PageRange> page{{7, 1}};
        const std::vector<PageRange> none;
        EXPECT_EQ(set.read, test.read ? page : none) << test.name;
        EXPECT_EQ(set.written, test.written ? page : none) << test.name;
    }
}

TEST(AddPagemapEntries, ranges_continue_over_batches) {
    const std::vector<uint64_t> entries{kPresent, kPresent, kPresent | kFile, 0, kPresent};
    WorkingSet set;
    add_pagemap_entries(set, entries, 0);
    add_pagemap_entries(set, entries, entries.size());
    EXPECT_EQ(set.written, (std::vector<PageRange>{{0, 2}, {4, 3}, {9, 1}}));
    EXPECT_EQ(set.read, (std::vector<PageRange>{{2, 1}, {7, 1}}));
}

TEST(ObservedPages, of_a_private_mapping_are_what_was_read_and_written) {
    constexpr uint64_t kPages = 600;
    const OwnFd file = sys::memfd("memory", kPages * kPageBytes).value();
    const auto mapping = OwnMapping::map(kPages * kPageBytes, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_NORESERVE, file.get())
                             .value();
    // Else a fault maps its neighbours too (fault-around), where they are in the page cache.
    ASSERT_EQ(::madvise(mapping.data(), mapping.size(), MADV_RANDOM), 0);
    const OwnFd pagemap = sys::open("/proc/self/pagemap", O_RDONLY).value();
    EXPECT_EQ(observed_pages(pagemap.get(), mapping.data(), mapping.size()).value(), WorkingSet{});

    const volatile std::byte* bytes = mapping.data();
    const auto read = [&](uint64_t page) { (void)bytes[page * kPageBytes]; };
    const auto write = [&](uint64_t page) { mapping.data()[page * kPageBytes + 1] = std::byte{1}; };
    read(3);
    read(4);
    write(10);
    read(11);
    write(11);
    write(599);
    const WorkingSet set = observed_pages(pagemap.get(), mapping.data(), mapping.size()).value();
    EXPECT_EQ(set.written, (std::vector<PageRange>{{10, 2}, {599, 1}}));
    EXPECT_EQ(set.read, (std::vector<PageRange>{{3, 2}}));

    // A part is numbered from its own beginning.
    const WorkingSet part =
        observed_pages(pagemap.get(), mapping.data() + 10 * kPageBytes, 2 * kPageBytes).value();
    EXPECT_EQ(part.written, (std::vector<PageRange>{{0, 2}}));
}

TEST(ObservedPages, error_names_the_map) {
    const OwnFd file = sys::memfd("short", 0).value();
    const auto failed = observed_pages(file.get(), nullptr, kPageBytes);
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("pagemap"), std::string::npos);
}

}  // namespace
}  // namespace anchorhold::snapshot
