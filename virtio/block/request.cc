// Judging one block request before anything is done for it.
#include "virtio/block/request.h"

#include <algorithm>
#include <span>

#include "base/checked_math.h"

namespace anchorhold::virtio {
namespace {

constexpr uint32_t kFlagUnmap = 1;

// Sets offset and length if they lie within the disk.
bool place(BlockRequest& request, uint64_t sector, uint64_t length, uint64_t capacity) {
    const auto offset = (Checked(sector) * kSectorSize).value();
    const auto end = offset ? (Checked(*offset) + length).value() : std::nullopt;
    if (!end || *end > capacity) {
        return false;
    }
    request.offset = *offset;
    request.length = length;
    return true;
}

BlockStatus parse_transfer(BlockRequest& request, uint64_t sector, ChainCursor data,
                           uint64_t length, uint64_t capacity) {
    if (length == 0 || length % kSectorSize != 0 || !place(request, sector, length, capacity)) {
        return BlockStatus::kIoError;
    }
    // More pieces than the kernel takes in one call cannot be served.
    return data.gather(length, request.segments) == length ? BlockStatus::kOk
                                                           : BlockStatus::kIoError;
}

// §5.2.6.2: one segment (max_discard_seg and max_write_zeroes_seg are 1), reserved flags clear.
BlockStatus parse_range(BlockRequest& request, ChainCursor data, uint64_t length,
                        uint64_t capacity) {
    BlockRangeSegment segment;
    if (length != sizeof segment || !data.read(std::as_writable_bytes(std::span(&segment, 1)))) {
        return BlockStatus::kIoError;
    }
    const uint32_t allowed = request.kind == BlockRequest::Kind::kWriteZeroes ? kFlagUnmap : 0;
    if ((segment.flags & ~allowed) != 0) {
        return BlockStatus::kUnsupported;
    }
    if (segment.sectors > kMaxRangeSectors ||
        !place(request, segment.sector, segment.sectors * kSectorSize, capacity)) {
        return BlockStatus::kIoError;
    }
    return BlockStatus::kOk;
}

BlockStatus parse_body(BlockRequest& request, uint64_t sector, const DescriptorChain& chain,
                       uint64_t capacity, DiskAccess access) {
    using Kind = BlockRequest::Kind;
    ChainCursor out(chain.readable);
    if (!out.skip(sizeof(BlockRequestHeader))) {
        return BlockStatus::kIoError;
    }
    const uint64_t out_length = chain.readable_size - sizeof(BlockRequestHeader);
    const uint64_t in_length = chain.writable_size - 1;  // without the status byte
    const bool writable_disk = access == DiskAccess::kReadWrite;
    switch (request.kind) {
        case Kind::kRead:
            return parse_transfer(request, sector, ChainCursor(chain.writable), in_length,
                                  capacity);
        case Kind::kWrite:
            return writable_disk ? parse_transfer(request, sector, out, out_length, capacity)
                                 : BlockStatus::kIoError;
        case Kind::kFlush:
            return BlockStatus::kOk;
        case Kind::kGetId:
            request.length =
                ChainCursor(chain.writable)
                    .gather(std::min<uint64_t>(in_length, kBlockIdSize), request.segments);
            return BlockStatus::kOk;
        case Kind::kDiscard:
        case Kind::kWriteZeroes:
            return writable_disk ? parse_range(request, out, out_length, capacity)
                                 : BlockStatus::kUnsupported;
    }
    return BlockStatus::kUnsupported;
}

}  // namespace

std::optional<BlockRequest> parse_block_request(const DescriptorChain& chain, uint64_t capacity,
                                                DiskAccess access) {
    BlockRequestHeader header;
    ChainCursor out(chain.readable);
    if (chain.writable_size == 0 || !out.read(std::as_writable_bytes(std::span(&header, 1)))) {
        return std::nullopt;
    }
    const auto last = std::find_if(chain.writable.rbegin(), chain.writable.rend(),
                                   [](const auto& segment) { return !segment.empty(); });
    BlockRequest request;
    request.kind = static_cast<BlockRequest::Kind>(static_cast<uint32_t>(header.type));
    request.status = &last->back();
    request.verdict = parse_body(request, header.sector, chain, capacity, access);
    return request;
}

}  // namespace anchorhold::virtio
