// Digests of memory files: the table as raw bytes, and damage found and placed.
#include "snapshot/memory_digests.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/sys.h"
#include "damage.h"
#include "snapshot/sealed.h"

namespace anchorhold::snapshot {
namespace {

constexpr uint64_t kPage = 4096;
constexpr Format kFormat{
    .kind = Kind::kMemoryDigests, .version = 1, .max_payload = uint64_t{1} << 30};

OwnFd sparse_file(uint64_t bytes, const std::vector<uint64_t>& marks) {
    OwnFd file = sys::memfd("memory", bytes).value();
    for (const uint64_t mark : marks) {
        EXPECT_EQ(::pwrite(file.get(), "x", 1, static_cast<off_t>(mark)), 1);
    }
    return file;
}

void flip(int file, uint64_t at) {
    char byte = 0;
    ASSERT_EQ(::pread(file, &byte, 1, static_cast<off_t>(at)), 1);
    byte ^= 4;
    ASSERT_EQ(::pwrite(file, &byte, 1, static_cast<off_t>(at)), 1);
}

std::string number(uint64_t value) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}

TEST(SealDigests, table_is_these_bytes) {
    const MemoryDigests digests{kChunkBytes + kPage, {kZeroChunk, {0x1122, 0x3344}}};
    EXPECT_EQ(seal(digests),
              seal_payload(kFormat, number(kChunkBytes + kPage) + number(kChunkBytes) + number(0) +
                                        number(0) + number(0x1122) + number(0x3344)));
    EXPECT_EQ(open_digests(seal(digests)).value(), digests);
}

TEST(OpenDigests, damage_anywhere_is_refused) {
    expect_damage_refused(open_digests, seal({kChunkBytes + kPage, {{1, 2}, {3, 4}}}));
}

TEST(OpenDigests, malformed_tables_are_refused_with_the_reason) {
    const std::string table = "table of memory digests: ";
    const std::string chunk = number(kChunkBytes);
    const std::string entry(16, 'd');
    const struct {
        const char* name;
        std::string payload, message;
    } cases[] = {
        {"empty", "", table + "shorter than its header"},
        {"header cut", number(1) + "abcdefg", table + "shorter than its header"},
        {"another chunk size", number(kPage) + number(kPage) + entry,
         table + "of chunks of 4096 bytes, not 65536"},
        {"no memory", number(0) + chunk,
         "memory of 0 bytes: digests are for 1 to 274877906944 bytes"},
        {"too much memory", number(kMaxDigestedMemory + 1) + chunk,
         "memory of 274877906945 bytes: digests are for 1 to 274877906944 bytes"},
        {"one digest too few", number(kChunkBytes + 1) + chunk + entry,
         table + "16 bytes of digests for 2 chunks"},
        {"one digest too many", number(kChunkBytes) + chunk + entry + entry,
         table + "32 bytes of digests for 1 chunks"},
        {"digest cut", number(kChunkBytes) + chunk + entry.substr(1),
         table + "15 bytes of digests for 1 chunks"},
    };
    for (const auto& test : cases) {
        const auto opened = open_digests(seal_payload(kFormat, test.payload));
        ASSERT_FALSE(opened) << test.name;
        EXPECT_EQ(opened.error().message, test.message) << test.name;
    }
}

TEST(ComputeDigests, holes_and_zeros_are_zero_chunks) {
    const uint64_t bytes = 5 * kChunkBytes + kPage;
    const OwnFd file = sparse_file(bytes, {2 * kChunkBytes + 70, bytes - 1});
    const std::vector<std::byte> zeros(kChunkBytes);
    ASSERT_EQ(::pwrite(file.get(), zeros.data(), zeros.size(), 4 * kChunkBytes), kChunkBytes);
    const MemoryDigests digests = compute_digests(file.get()).value();
    EXPECT_EQ(digests.memory_bytes, bytes);
    std::vector<std::byte> chunk(kChunkBytes);
    chunk[70] = std::byte{'x'};
    std::vector<std::byte> last(kPage);
    last.back() = std::byte{'x'};
    EXPECT_EQ(digests.chunks, (std::vector<Digest>{kZeroChunk, kZeroChunk, digest(chunk),
                                                   kZeroChunk, kZeroChunk, digest(last)}));
    EXPECT_EQ(digests.chunk_bytes(0), kChunkBytes);
    EXPECT_EQ(digests.chunk_bytes(5), kPage);
    EXPECT_TRUE(verify_memory(file.get(), digests));
    EXPECT_EQ(read_digests([&] {
                  static OwnFd table = sys::memfd("table", 0).value();
                  EXPECT_TRUE(sys::write_all(table.get(), seal(digests)));
                  return table.get();
              }())
                  .value(),
              digests);
}

TEST(ComputeDigests, dense_file_has_each_chunk) {
    std::string bytes(3 * kChunkBytes - 1, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(i * 7 / 5 + 1);
    }
    const OwnFd file = sys::memfd("memory", 0).value();
    ASSERT_TRUE(sys::write_all(file.get(), bytes));
    const auto digests = compute_digests(file.get()).value();
    for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(digests.chunks[i],
                  digest(std::string_view(bytes).substr(i * kChunkBytes, kChunkBytes)));
    }
}

TEST(VerifyMemory, wrong_size_is_refused_at_once) {
    const OwnFd file = sparse_file(kChunkBytes, {0});
    const auto digests = compute_digests(file.get()).value();
    for (const uint64_t size : {uint64_t{0}, kChunkBytes - 1, kChunkBytes + 1}) {
        ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(size)), 0);
        const Status verified = verify_memory(file.get(), digests);
        ASSERT_FALSE(verified);
        EXPECT_EQ(verified.error().message,
                  "memory file: has " + std::to_string(size) + " bytes, its digests are of 65536");
    }
}

TEST(VerifyMemory, flipped_bits_are_counted_and_placed) {
    const uint64_t bytes = 8 * kChunkBytes;
    const OwnFd file = sparse_file(bytes, {3 * kChunkBytes, 6 * kChunkBytes + 5});
    const auto digests = compute_digests(file.get()).value();
    flip(file.get(), 7 * kChunkBytes + 9);  // in a hole
    EXPECT_EQ(verify_memory(file.get(), digests).error().message,
              "memory file: 1 of 8 chunks of 65536 bytes are damaged, the first at byte 458752");
    flip(file.get(), 4 * kChunkBytes - 1);
    EXPECT_EQ(verify_memory(file.get(), digests).error().message,
              "memory file: 2 of 8 chunks of 65536 bytes are damaged, the first at byte 196608");
    flip(file.get(), 4 * kChunkBytes - 1);
    flip(file.get(), 7 * kChunkBytes + 9);
    EXPECT_TRUE(verify_memory(file.get(), digests));
    // What was data is a hole.
    ASSERT_EQ(::pwrite(file.get(), "", 1, 3 * kChunkBytes), 1);
    EXPECT_FALSE(verify_memory(file.get(), digests));
}

}  // namespace
}  // namespace anchorhold::snapshot
