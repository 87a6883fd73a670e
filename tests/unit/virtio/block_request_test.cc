// The request parser as a table: header, payload and room in, verdict out.
#include <gtest/gtest.h>

#include "guest_driver.h"
#include "virtio/block/request.h"

namespace anchorhold::virtio {
namespace {

constexpr uint64_t kCapacity = 64 * kSectorSize;

struct Case {
    const char* name;
    uint32_t type;
    uint64_t sector;
    size_t out_bytes;  // readable, after the header
    size_t in_bytes;   // writable, before the status byte
    DiskAccess access;
    BlockStatus verdict;
    uint64_t offset = 0;
    uint64_t length = 0;
};

class BlockRequestTable : public testing::TestWithParam<Case> {};

TEST_P(BlockRequestTable, verdict) {
    const Case& c = GetParam();
    BlockRequestHeader header{c.type, 0U, c.sector};
    auto readable = fakes::raw(header);
    readable.resize(readable.size() + c.out_bytes);
    std::vector<std::byte> writable(c.in_bytes + 1);
    DescriptorChain chain;
    // Cut where no driver would: the framing must not matter.
    chain.readable = {std::span(readable).first(5), std::span(readable).subspan(5)};
    chain.writable = {std::span(writable).first(writable.size() / 2),
                      std::span(writable).subspan(writable.size() / 2)};
    chain.readable_size = readable.size();
    chain.writable_size = writable.size();
    const auto request = parse_block_request(chain, kCapacity, c.access);
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->verdict, c.verdict);
    EXPECT_EQ(request->status, &writable.back());
    if (c.verdict == BlockStatus::kOk) {
        EXPECT_EQ(request->offset, c.offset);
        EXPECT_EQ(request->length, c.length);
    }
}

constexpr auto kRo = DiskAccess::kReadOnly;
constexpr auto kRw = DiskAccess::kReadWrite;
constexpr auto kFine = BlockStatus::kOk;
constexpr auto kBad = BlockStatus::kIoError;
constexpr auto kUnknown = BlockStatus::kUnsupported;

INSTANTIATE_TEST_SUITE_P(
    BlockRequest, BlockRequestTable,
    testing::Values(Case{"read_first", 0, 0, 0, 512, kRo, kFine, 0, 512},
                    Case{"read_last", 0, 63, 0, 512, kRo, kFine, 63 * 512, 512},
                    Case{"read_all", 0, 0, 0, kCapacity, kRo, kFine, 0, kCapacity},
                    Case{"read_past_end", 0, 63, 0, 1024, kRo, kBad},
                    Case{"read_at_end", 0, 64, 0, 512, kRo, kBad},
                    Case{"read_sector_overflows", 0, UINT64_MAX, 0, 512, kRo, kBad},
                    Case{"read_offset_wraps", 0, (UINT64_MAX / 512) + 1, 0, 512, kRo, kBad},
                    Case{"read_half_sector", 0, 0, 0, 100, kRo, kBad},
                    Case{"read_nothing", 0, 0, 0, 0, kRo, kBad},
                    Case{"write", 1, 1, 512, 0, kRw, kFine, 512, 512},
                    Case{"write_read_only", 1, 1, 512, 0, kRo, kBad},
                    Case{"write_past_end", 1, 63, 1024, 0, kRw, kBad},
                    Case{"flush", 4, 0, 0, 0, kRw, kFine, 0, 0},
                    Case{"get_id", 8, 0, 0, 20, kRo, kFine, 0, 20},
                    Case{"get_id_small_buffer", 8, 0, 0, 4, kRo, kFine, 0, 4},
                    Case{"get_id_large_buffer", 8, 0, 0, 400, kRo, kFine, 0, 20},
                    Case{"discard_without_segment", 11, 0, 0, 0, kRw, kBad},
                    Case{"discard_two_segments", 11, 0, 32, 0, kRw, kBad},
                    Case{"discard_read_only", 11, 0, 16, 0, kRo, kUnknown},
                    Case{"discard_nothing", 11, 0, 16, 0, kRw, kFine, 0, 0},
                    Case{"scsi", 2, 0, 0, 512, kRw, kUnknown},
                    Case{"secure_erase", 14, 0, 16, 0, kRw, kUnknown},
                    Case{"unknown", 0xffffffff, 0, 0, 0, kRw, kUnknown}),
    [](const auto& parameter) { return parameter.param.name; });

std::optional<BlockRequest> parse_range(uint32_t type, BlockRangeSegment segment) {
    static std::vector<std::byte> readable;
    static std::vector<std::byte> status(1);
    readable = fakes::raw(BlockRequestHeader{type, 0U, uint64_t{0}});
    const auto body = fakes::raw(segment);
    readable.insert(readable.end(), body.begin(), body.end());
    DescriptorChain chain;
    chain.readable = {readable};
    chain.writable = {status};
    chain.readable_size = readable.size();
    chain.writable_size = 1;
    return parse_block_request(chain, kCapacity, DiskAccess::kReadWrite);
}

TEST(BlockRequest, discard_takes_its_range_from_the_segment) {
    const auto request = parse_range(11, {uint64_t{8}, 16U, 0U});
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->verdict, BlockStatus::kOk);
    EXPECT_EQ(request->offset, 8 * kSectorSize);
    EXPECT_EQ(request->length, 16 * kSectorSize);
}

TEST(BlockRequest, range_flags_are_judged_per_kind) {
    EXPECT_EQ(parse_range(11, {uint64_t{0}, 1U, 1U})->verdict, BlockStatus::kUnsupported);
    EXPECT_EQ(parse_range(13, {uint64_t{0}, 1U, 1U})->verdict, BlockStatus::kOk);
    EXPECT_EQ(parse_range(13, {uint64_t{0}, 1U, 2U})->verdict, BlockStatus::kUnsupported);
}

TEST(BlockRequest, range_outside_the_disk_is_an_io_error) {
    EXPECT_EQ(parse_range(11, {uint64_t{60}, 5U, 0U})->verdict, BlockStatus::kIoError);
    EXPECT_EQ(parse_range(11, {UINT64_MAX, 1U, 0U})->verdict, BlockStatus::kIoError);
    EXPECT_EQ(parse_range(13, {uint64_t{0}, UINT32_MAX, 0U})->verdict, BlockStatus::kIoError);
}

TEST(BlockRequest, chain_without_status_or_header_cannot_be_answered) {
    std::vector<std::byte> bytes(16);
    DescriptorChain chain;
    chain.readable = {bytes};
    chain.readable_size = 16;
    EXPECT_FALSE(parse_block_request(chain, kCapacity, DiskAccess::kReadOnly).has_value());
    chain.readable = {std::span(bytes).first(15)};
    chain.readable_size = 15;
    chain.writable = {std::span(bytes).first(1)};
    chain.writable_size = 1;
    EXPECT_FALSE(parse_block_request(chain, kCapacity, DiskAccess::kReadOnly).has_value());
}

}  // namespace
}  // namespace anchorhold::virtio
