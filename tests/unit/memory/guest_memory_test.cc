#include "memory/guest_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>

#include "base/sys.h"

namespace anchorhold::memory {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

std::unique_ptr<GuestMemory> make(uint64_t bytes) {
    auto memory = GuestMemory::create(bytes);
    EXPECT_TRUE(memory.has_value()) << memory.error().message;
    return std::move(*memory);
}

uint64_t allocated_bytes(int fd) {
    struct stat info {};
    EXPECT_EQ(::fstat(fd, &info), 0);
    return static_cast<uint64_t>(info.st_blocks) * 512;
}

TEST(GuestMemory, create_below_the_hole_has_one_region) {
    const auto memory = make(64 * kMiB);
    ASSERT_EQ(memory->regions().size(), 1U);
    EXPECT_EQ(memory->regions()[0].guest, GuestAddress(0));
    EXPECT_EQ(memory->regions()[0].size, 64 * kMiB);
    EXPECT_EQ(memory->regions()[0].slot, 0U);
}

TEST(GuestMemory, create_above_the_hole_continues_at_4_gib) {
    const auto memory = make(5 * kGiB);
    ASSERT_EQ(memory->regions().size(), 2U);
    EXPECT_EQ(memory->regions()[0].size, 3 * kGiB);
    EXPECT_EQ(memory->regions()[1].guest, GuestAddress(4 * kGiB));
    EXPECT_EQ(memory->regions()[1].size, 2 * kGiB);
    EXPECT_EQ(memory->regions()[1].file_offset, 3 * kGiB);
    EXPECT_EQ(memory->regions()[1].host, memory->regions()[0].host + 3 * kGiB);
}

TEST(GuestMemory, create_with_bad_size_is_an_error_that_names_it) {
    for (const uint64_t bytes : {uint64_t{0}, uint64_t{4097}, kMaxMemory + kPageSize}) {
        const auto memory = GuestMemory::create(bytes);
        ASSERT_FALSE(memory.has_value());
        EXPECT_NE(memory.error().message.find(std::to_string(bytes)), std::string::npos);
    }
}

TEST(GuestMemory, slice_inside_and_outside_of_regions) {
    const auto memory = make(4 * kGiB);
    struct Case {
        uint64_t address;
        uint64_t length;
        bool inside;
    };
    const std::array cases = {
        Case{0, 1, true},
        Case{0, 3 * kGiB, true},
        Case{0, 3 * kGiB + 1, false},  // into the hole
        Case{3 * kGiB - 1, 1, true},
        Case{3 * kGiB - 1, 2, false},
        Case{3 * kGiB, 0, false},  // an empty range, but not in RAM
        Case{3 * kGiB, 1, false},
        Case{4 * kGiB - 1, 2, false},  // from the hole into RAM
        Case{4 * kGiB, kGiB, true},
        Case{4 * kGiB, kGiB + 1, false},
        Case{5 * kGiB, 1, false},
        Case{4 * kGiB, UINT64_MAX, false},  // wraps
        Case{UINT64_MAX, 1, false},
        Case{UINT64_MAX, UINT64_MAX, false},
        Case{16, UINT64_MAX - 8, false},
        Case{0x1000, 0, true},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(memory->slice(GuestAddress(c.address), c.length).has_value(), c.inside)
            << std::hex << c.address << " + " << c.length;
    }
}

TEST(GuestMemory, write_then_read_returns_the_bytes) {
    const auto memory = make(kMiB);
    const std::array<std::byte, 3> bytes = {std::byte{1}, std::byte{2}, std::byte{3}};
    std::array<std::byte, 3> back{};
    ASSERT_TRUE(memory->write(GuestAddress(0x2001), bytes));
    ASSERT_TRUE(memory->read(GuestAddress(0x2001), back));
    EXPECT_EQ(bytes, back);
}

TEST(GuestMemory, write_across_the_end_copies_nothing) {
    const auto memory = make(kMiB);
    const std::array<std::byte, 2> bytes = {std::byte{1}, std::byte{2}};
    EXPECT_FALSE(memory->write(GuestAddress(kMiB - 1), bytes));
    EXPECT_EQ(memory->load<uint8_t>(GuestAddress(kMiB - 1)), 0);
}

TEST(GuestMemory, load_and_store_structures) {
    const auto memory = make(kMiB);
    EXPECT_TRUE(memory->store(GuestAddress(0x101), uint32_t{0xdeadbeef}));
    EXPECT_EQ(memory->load<uint32_t>(GuestAddress(0x101)), 0xdeadbeefU);
    EXPECT_FALSE(memory->load<uint64_t>(GuestAddress(kMiB - 4)).has_value());
    EXPECT_FALSE(memory->store(GuestAddress(kMiB - 4), uint64_t{1}));
}

TEST(GuestMemory, ring_indices_want_alignment) {
    const auto memory = make(kMiB);
    EXPECT_TRUE(memory->store_release(GuestAddress(2), 7));
    EXPECT_EQ(memory->load_acquire(GuestAddress(2)), 7);
    EXPECT_FALSE(memory->store_release(GuestAddress(3), 7));
    EXPECT_FALSE(memory->load_acquire(GuestAddress(3)).has_value());
    EXPECT_FALSE(memory->load_acquire(GuestAddress(kMiB)).has_value());
}

TEST(GuestMemory, range_of_undoes_slice) {
    const auto memory = make(4 * kGiB);
    const auto bytes = memory->slice(GuestAddress(4 * kGiB + 12), 34);
    ASSERT_TRUE(bytes.has_value());
    EXPECT_EQ(memory->range_of(*bytes), (GuestRange{GuestAddress(4 * kGiB + 12), 34}));
    const std::array<std::byte, 4> stranger{};
    EXPECT_FALSE(memory->range_of(stranger).has_value());
}

TEST(GuestMemory, discard_rounds_inward_and_gives_pages_back) {
    const auto memory = make(kMiB);
    for (uint64_t page = 0; page < 4; ++page) {
        ASSERT_TRUE(memory->store(GuestAddress(page * kPageSize + 8), uint32_t{42}));
    }
    const uint64_t before = allocated_bytes(memory->fd());
    const auto given = memory->discard({GuestAddress(100), 3 * kPageSize});
    ASSERT_TRUE(given.has_value());
    EXPECT_EQ(*given, 2 * kPageSize);
    EXPECT_EQ(memory->load<uint32_t>(GuestAddress(8)), 42U);
    EXPECT_EQ(memory->load<uint32_t>(GuestAddress(3 * kPageSize + 8)), 42U);
    EXPECT_EQ(allocated_bytes(memory->fd()), before - 2 * kPageSize);
    EXPECT_EQ(memory->load<uint32_t>(GuestAddress(kPageSize + 8)), 0U);
}

TEST(GuestMemory, discard_of_less_than_a_page_gives_nothing) {
    const auto memory = make(kMiB);
    EXPECT_EQ(memory->discard({GuestAddress(1), kPageSize}).value_or(99), 0U);
    EXPECT_EQ(memory->discard({GuestAddress(0), 0}).value_or(99), 0U);
}

TEST(GuestMemory, discard_outside_ram_is_an_error) {
    const auto memory = make(kMiB);
    EXPECT_FALSE(memory->discard({GuestAddress(kMiB), kPageSize}).has_value());
    EXPECT_FALSE(memory->discard({GuestAddress(0), UINT64_MAX}).has_value());
}

TEST(GuestMemory, private_writes_stay_out_of_the_file_and_discard_leaves_zeros) {
    auto file = sys::memfd("template", kMiB);
    ASSERT_TRUE(file.has_value());
    const std::array<std::byte, 1> old = {std::byte{9}};
    ASSERT_EQ(::pwrite(file->get(), old.data(), 1, 0), 1);
    auto copy = sys::dup_cloexec(file->get());
    ASSERT_TRUE(copy.has_value());
    auto memory = GuestMemory::map(std::move(*copy), kMiB, Sharing::kPrivate);
    ASSERT_TRUE(memory.has_value());
    EXPECT_EQ((*memory)->load<uint8_t>(GuestAddress(0)), 9);
    ASSERT_TRUE((*memory)->store(GuestAddress(0), uint8_t{8}));
    // The file's byte must not come back: a guest that gave a page away may find zeros, never
    // somebody's old data.
    ASSERT_TRUE((*memory)->discard({GuestAddress(0), kPageSize}).has_value());
    EXPECT_EQ((*memory)->load<uint8_t>(GuestAddress(0)), 0);
    std::array<std::byte, 1> in_file{};
    ASSERT_EQ(::pread(file->get(), in_file.data(), 1, 0), 1);
    EXPECT_EQ(in_file, old);
}

TEST(GuestMemory, map_of_a_short_file_is_an_error) {
    auto file = sys::memfd("template", kPageSize);
    ASSERT_TRUE(file.has_value());
    EXPECT_FALSE(GuestMemory::map(std::move(*file), kMiB, Sharing::kPrivate).has_value());
}

TEST(GuestMemory, reservation_keeps_its_addresses_when_a_file_is_put_behind_it) {
    auto memory = GuestMemory::reserve(kMiB);
    ASSERT_TRUE(memory.has_value());
    std::byte* const before = (*memory)->bytes().data();
    auto file = sys::memfd("template", kMiB);
    ASSERT_TRUE(file.has_value());
    const std::array<std::byte, 1> seven = {std::byte{7}};
    ASSERT_EQ(::pwrite(file->get(), seven.data(), 1, kPageSize), 1);
    ASSERT_TRUE((*memory)->back(std::move(*file), Sharing::kPrivate).has_value());
    EXPECT_EQ((*memory)->bytes().data(), before);
    EXPECT_EQ((*memory)->load<uint8_t>(GuestAddress(kPageSize)), 7);
}

TEST(GuestMemory, detached_memory_keeps_its_bytes_and_leaves_the_file_alone) {
    auto memory = make(kMiB);
    ASSERT_TRUE(memory->store(GuestAddress(0), uint8_t{1}));
    ASSERT_TRUE(memory->detach().has_value());
    EXPECT_EQ(memory->sharing(), Sharing::kPrivate);
    EXPECT_EQ(memory->load<uint8_t>(GuestAddress(0)), 1);
    ASSERT_TRUE(memory->store(GuestAddress(0), uint8_t{2}));
    std::array<std::byte, 1> in_file{};
    ASSERT_EQ(::pread(memory->fd(), in_file.data(), 1, 0), 1);
    EXPECT_EQ(in_file[0], std::byte{1});
}

TEST(GuestMemory, anonymous_memory_reads_zeros_where_it_was_discarded) {
    auto memory = GuestMemory::reserve(kMiB);
    ASSERT_TRUE(memory.has_value());
    ASSERT_TRUE((*memory)->back_anonymous().has_value());
    EXPECT_EQ((*memory)->fd(), -1);
    ASSERT_TRUE((*memory)->store(GuestAddress(0), uint8_t{5}));
    ASSERT_TRUE((*memory)->discard({GuestAddress(0), kPageSize}).has_value());
    EXPECT_EQ((*memory)->load<uint8_t>(GuestAddress(0)), 0);
}

}  // namespace
}  // namespace anchorhold::memory
