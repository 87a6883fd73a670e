// What is stored and what stays a hole.
#include "snapshot/sparse_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/sys.h"
#include "snapshot/file_io.h"

namespace anchorhold::snapshot {
namespace {

constexpr size_t kPage = kPageBytes;

std::vector<std::byte> contents(int file) {
    std::vector<std::byte> bytes(sys::file_size(file, "file").value());
    EXPECT_TRUE(sys::read_exact_at(file, bytes, 0, "file"));
    return bytes;
}

uint64_t allocated(int file) {
    struct stat status {};
    EXPECT_EQ(::fstat(file, &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
}

TEST(IsZero, any_byte_of_any_size_counts) {
    for (const size_t size : {1U, 7U, 8U, 63U, 64U, 65U, 127U, 128U, 129U, 4096U}) {
        std::vector<std::byte> bytes(size);
        EXPECT_TRUE(is_zero(bytes)) << size;
        for (size_t i = 0; i < size; ++i) {
            bytes[i] = std::byte{0x80};
            ASSERT_FALSE(is_zero(bytes)) << i << " of " << size;
            bytes[i] = std::byte{0};
        }
    }
}

TEST(IsZero, equal_bytes_that_are_not_zero_are_not) {
    EXPECT_FALSE(is_zero(std::vector<std::byte>(kPage, std::byte{1})));
}

TEST(WriteSparse, zero_pages_stay_holes) {
    std::vector<std::byte> memory(64 * kPage);
    memory[0] = std::byte{1};
    memory[6 * kPage - 1] = std::byte{2};
    memory[6 * kPage] = std::byte{3};
    memory[64 * kPage - 1] = std::byte{4};
    const OwnFd file = sys::memfd("target", memory.size()).value();
    EXPECT_EQ(write_sparse(file.get(), 0, memory).value(), 4 * kPage);
    EXPECT_EQ(contents(file.get()), memory);
    EXPECT_EQ(allocated(file.get()), 4 * kPage);
}

TEST(WriteSparse, offset_is_where_the_memory_goes) {
    std::vector<std::byte> memory(2 * kPage, std::byte{5});
    const OwnFd file = sys::memfd("target", 5 * kPage).value();
    EXPECT_EQ(write_sparse(file.get(), 3 * kPage, memory).value(), 2 * kPage);
    const auto stored = contents(file.get());
    EXPECT_TRUE(is_zero(std::span(stored).first(3 * kPage)));
    EXPECT_TRUE(std::equal(memory.begin(), memory.end(), stored.begin() + 3 * kPage));
}

TEST(WriteSparse, runs_longer_than_one_write_are_whole) {
    std::vector<std::byte> memory(10 << 20);
    for (size_t i = 0; i < memory.size(); ++i) {
        memory[i] = static_cast<std::byte>(i / kPage + 1);
    }
    const OwnFd file = sys::memfd("target", memory.size()).value();
    EXPECT_EQ(write_sparse(file.get(), 0, memory).value() / kPage,
              memory.size() / kPage - memory.size() / kPage / 256);
    EXPECT_EQ(contents(file.get()), memory);
}

TEST(WriteSparse, untouched_pages_of_the_source_are_not_read) {
    constexpr uint64_t kBytes = uint64_t{1} << 30;
    constexpr uint64_t kBefore = 3 * kPage;  // of the source, not in the memory
    const OwnFd source = sys::memfd("source", kBefore + kBytes).value();
    const auto mapping =
        OwnMapping::map(kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, source.get(), kBefore).value();
    for (const uint64_t at : {uint64_t{0}, 7 * kPage + 1, kBytes / 2, kBytes - 1}) {
        mapping.data()[at] = std::byte{9};
    }
    mapping.data()[20 * kPage] = std::byte{0};  // touched, and zero
    const OwnFd file = sys::memfd("target", kBytes).value();
    const uint64_t before = allocated(source.get());
    EXPECT_EQ(write_sparse(file.get(), 0, mapping.bytes(), Source{source.get(), kBefore}).value(),
              4 * kPage);
    EXPECT_EQ(allocated(source.get()), before);
    EXPECT_EQ(allocated(file.get()), 4 * kPage);
    for (const uint64_t at : {uint64_t{0}, 7 * kPage + 1, kBytes / 2, kBytes - 1}) {
        std::byte stored{};
        ASSERT_EQ(::pread(file.get(), &stored, 1, static_cast<off_t>(at)), 1);
        EXPECT_EQ(stored, std::byte{9}) << at;
    }
}

TEST(WriteSparse, part_of_a_source_ends_where_the_memory_does) {
    const OwnFd source = sys::memfd("source", 8 * kPage).value();
    const auto mapping =
        OwnMapping::map(8 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, source.get()).value();
    std::fill_n(mapping.data(), 8 * kPage, std::byte{1});
    const OwnFd file = sys::memfd("target", 2 * kPage).value();
    EXPECT_EQ(write_sparse(file.get(), 0, mapping.bytes().subspan(3 * kPage, 2 * kPage),
                           Source{source.get(), 3 * kPage})
                  .value(),
              2 * kPage);
    EXPECT_EQ(sys::file_size(file.get(), "target").value(), 2 * kPage);
}

TEST(WriteRanges, writes_those_pages_and_no_other) {
    std::vector<std::byte> memory(16 * kPage, std::byte{7});
    std::fill_n(memory.begin() + 4 * kPage, kPage, std::byte{0});
    const OwnFd file = sys::memfd("target", memory.size()).value();
    const std::vector<PageRange> ranges{{1, 2}, {4, 2}, {15, 1}};
    EXPECT_EQ(write_ranges(file.get(), 0, memory, ranges).value(), 4 * kPage);
    std::vector<std::byte> expected(16 * kPage);
    for (const size_t page : {1U, 2U, 5U, 15U}) {
        std::fill_n(expected.begin() + static_cast<ptrdiff_t>(page * kPage), kPage, std::byte{7});
    }
    EXPECT_EQ(contents(file.get()), expected);
}

TEST(WriteSparse, failed_write_is_named) {
    const OwnFd file = sys::open("/proc/self/exe", O_RDONLY).value();
    const auto failed = write_sparse(file.get(), 0, std::vector<std::byte>(kPage, std::byte{1}));
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message, "write memory file: Bad file descriptor");
}

TEST(NextData, walks_the_extents) {
    const OwnFd file = sys::memfd("sparse", 20 * kPage).value();
    const std::byte byte{1};
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, 5 * kPage), 1);
    ASSERT_EQ(::pwrite(file.get(), &byte, 1, 6 * kPage), 1);
    const auto next = [&](uint64_t from, uint64_t limit) {
        return next_data(file.get(), from, limit, "file").value();
    };
    EXPECT_EQ(next(0, 20 * kPage), (Extent{5 * kPage, 7 * kPage}));
    EXPECT_EQ(next(6 * kPage, 20 * kPage), (Extent{6 * kPage, 7 * kPage}));
    EXPECT_EQ(next(0, 6 * kPage), (Extent{5 * kPage, 6 * kPage}));
    EXPECT_EQ(next(0, 5 * kPage), std::nullopt);
    EXPECT_EQ(next(7 * kPage, 20 * kPage), std::nullopt);
    EXPECT_EQ(next(20 * kPage, 20 * kPage), std::nullopt);
}

}  // namespace
}  // namespace anchorhold::snapshot
