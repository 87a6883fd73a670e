// Parsing of block requests (virtio 1.2 §5.2.6), apart from the device so that a table of raw bytes
// can test it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/endian.h"
#include "virtio/block/disk.h"
#include "virtio/descriptor_chain.h"

namespace anchorhold::virtio {

constexpr uint64_t kSectorSize = 512;  // §5.2: the unit of sector numbers, whatever blk_size says
constexpr size_t kBlockIdSize = 20;    // §5.2.6, VIRTIO_BLK_T_GET_ID

// §5.2.6: what comes before the data of struct virtio_blk_req.
struct BlockRequestHeader {
    Le32 type;
    Le32 reserved;
    Le64 sector;
};
static_assert(sizeof(BlockRequestHeader) == 16);

// §5.2.6 struct virtio_blk_discard_write_zeroes.
struct BlockRangeSegment {
    Le64 sector;
    Le32 sectors;
    Le32 flags;  // bit 0: unmap; the others are reserved
};
static_assert(sizeof(BlockRangeSegment) == 16);

// §5.2.6: the status byte.
enum class BlockStatus : uint8_t { kOk = 0, kIoError = 1, kUnsupported = 2 };

// The most sectors one discard or write-zeroes request may name; announced in the configuration
// space.
constexpr uint32_t kMaxRangeSectors = 1U << 22;  // 2 GiB

struct BlockRequest {
    // The values are those of the wire: VIRTIO_BLK_T_*.
    enum class Kind : uint32_t {
        kRead = 0,
        kWrite = 1,
        kFlush = 4,
        kGetId = 8,
        kDiscard = 11,
        kWriteZeroes = 13,
    };

    Kind kind = Kind::kRead;
    BlockStatus verdict = BlockStatus::kOk;  // other than kOk: answer with it, start nothing
    std::byte* status = nullptr;             // where the answer's status byte goes, never null
    uint64_t offset = 0;                     // bytes; offset + length is within the capacity
    uint64_t length = 0;                     // bytes
    std::vector<iovec> segments;             // guest memory to read into or write from
};

// Judges a chain against a disk of `capacity` bytes. Nothing when the chain has no place for a
// status byte or no whole header, so that it cannot even be answered: the driver is broken.
[[nodiscard]] std::optional<BlockRequest> parse_block_request(const DescriptorChain& chain,
                                                              uint64_t capacity, DiskAccess access);

}  // namespace anchorhold::virtio
