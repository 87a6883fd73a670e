// The request queue, the configuration space, and the answers.
#include "virtio/block/block_device.h"

#include <algorithm>
#include <array>
#include <utility>

#include "virtio/queue_service.h"

namespace anchorhold::virtio {
namespace {

// §5.2.3 feature bits.
constexpr uint64_t kFeatureSegMax = uint64_t{1} << 2;
constexpr uint64_t kFeatureReadOnly = uint64_t{1} << 5;
constexpr uint64_t kFeatureBlockSize = uint64_t{1} << 6;
constexpr uint64_t kFeatureFlush = uint64_t{1} << 9;
constexpr uint64_t kFeatureDiscard = uint64_t{1} << 13;
constexpr uint64_t kFeatureWriteZeroes = uint64_t{1} << 14;

constexpr std::array<uint16_t, 1> kQueueSizes = {128};
// Data segments of one request: the queue's size without header and status.
constexpr uint32_t kMaxSegments = kQueueSizes[0] - 2;

// §5.2.4 struct virtio_blk_config.
struct BlockConfig {
    Le64 capacity;  // sectors
    Le32 size_max;
    Le32 seg_max;
    Le16 cylinders;
    uint8_t heads = 0;
    uint8_t sectors = 0;
    Le32 block_size;
    uint8_t physical_block_exponent = 0;
    uint8_t alignment_offset = 0;
    Le16 min_io_size;
    Le32 opt_io_size;
    uint8_t writeback = 0;
    uint8_t unused0 = 0;
    Le16 queues;
    Le32 max_discard_sectors;
    Le32 max_discard_segments;
    Le32 discard_alignment;
    Le32 max_write_zeroes_sectors;
    Le32 max_write_zeroes_segments;
    uint8_t write_zeroes_may_unmap = 0;
    std::array<uint8_t, 3> unused1{};
};
static_assert(sizeof(BlockConfig) == 60);

}  // namespace

BlockDevice::BlockDevice(Disk& disk, BlockOptions options, EventLoop& loop, DeviceLock& lock)
    : disk_(disk), options_(std::move(options)), again_(loop, lock, [this] { process_queue(0); }) {
    options_.id.resize(std::min(options_.id.size(), kBlockIdSize));
    disk_.set_client(this);
}

BlockDevice::~BlockDevice() {
    disk_.cancel_all();
    disk_.set_client(nullptr);
}

uint64_t BlockDevice::features() const {
    const uint64_t common = kFeatureSegMax | kFeatureBlockSize;
    return options_.access == DiskAccess::kReadOnly
               ? common | kFeatureReadOnly
               : common | kFeatureFlush | kFeatureDiscard | kFeatureWriteZeroes;
}

std::span<const uint16_t> BlockDevice::queue_sizes() const {
    return kQueueSizes;
}

void BlockDevice::read_config(uint64_t offset, std::span<std::byte> out) const {
    BlockConfig config;
    config.capacity = disk_.capacity() / kSectorSize;
    config.seg_max = kMaxSegments;
    config.block_size = kSectorSize;
    if (options_.access == DiskAccess::kReadWrite) {
        config.max_discard_sectors = kMaxRangeSectors;
        config.max_discard_segments = 1;
        config.discard_alignment = 4096 / kSectorSize;
        config.max_write_zeroes_sectors = kMaxRangeSectors;
        config.max_write_zeroes_segments = 1;
        config.write_zeroes_may_unmap = 1;
    }
    copy_config(std::as_bytes(std::span(&config, 1)), offset, out);
}

void BlockDevice::write_config(uint64_t, std::span<const std::byte>) {}

void BlockDevice::activate(const Activation& activation) {
    activation_ = activation;
    active_ = true;
}

void BlockDevice::reset() {
    active_ = false;
    disk_.cancel_all();
    pending_.clear();
}

void BlockDevice::process_queue(size_t) {
    if (active_) {
        serve_queue(activation_, 0, chain_, again_,
                    [this](DescriptorChain& chain) { serve(chain); });
    }
}

void BlockDevice::serve(DescriptorChain& chain) {
    auto request = parse_block_request(chain, disk_.capacity(), options_.access);
    if (!request) {
        activation_.queues[0].stop("a block request has no header or no place for its status");
        return;
    }
    const Pending pending{chain.head, request->status, request->kind, request->length};
    if (request->verdict != BlockStatus::kOk) {
        finish(pending, request->verdict);
        return;
    }
    if (request->kind == BlockRequest::Kind::kGetId) {
        // §5.2.6: padded with zeros when shorter than 20 bytes.
        std::array<std::byte, kBlockIdSize> id{};
        std::transform(options_.id.begin(), options_.id.end(), id.begin(),
                       [](char c) { return static_cast<std::byte>(c); });
        size_t copied = 0;
        for (const iovec& piece : request->segments) {
            std::copy_n(id.begin() + static_cast<ptrdiff_t>(copied), piece.iov_len,
                        static_cast<std::byte*>(piece.iov_base));
            copied += piece.iov_len;
        }
        finish(pending, BlockStatus::kOk);
        return;
    }
    const uint64_t tag = next_tag_++;
    if (const auto error = disk_.submit(job_of(*request, tag))) {
        finish(pending, *error == 0 ? BlockStatus::kOk : BlockStatus::kIoError);
    } else {
        pending_.emplace(tag, pending);
    }
}

DiskJob BlockDevice::job_of(BlockRequest& request, uint64_t tag) {
    using Kind = BlockRequest::Kind;
    DiskJob job;
    job.offset = request.offset;
    job.length = request.length;
    job.segments = std::move(request.segments);
    job.tag = tag;
    switch (request.kind) {
        case Kind::kWrite:
            job.kind = DiskJob::Kind::kWrite;
            break;
        case Kind::kFlush:
            job.kind = DiskJob::Kind::kFlush;
            break;
        case Kind::kDiscard:
            job.kind = DiskJob::Kind::kDiscard;
            break;
        case Kind::kWriteZeroes:
            job.kind = DiskJob::Kind::kWriteZeroes;
            break;
        case Kind::kRead:
        case Kind::kGetId:
            job.kind = DiskJob::Kind::kRead;
            break;
    }
    return job;
}

void BlockDevice::disk_completed(uint64_t tag, int error) {
    const auto found = pending_.find(tag);
    if (!active_ || found == pending_.end()) {
        return;
    }
    const Pending pending = found->second;
    pending_.erase(found);
    finish(pending, error == 0 ? BlockStatus::kOk : BlockStatus::kIoError);
    if (activation_.queues[0].publish()) {
        activation_.interrupt->signal_used(0);
    }
}

void BlockDevice::finish(const Pending& pending, BlockStatus status) {
    using Kind = BlockRequest::Kind;
    *pending.status = static_cast<std::byte>(status);
    const bool fills = pending.kind == Kind::kRead || pending.kind == Kind::kGetId;
    // §2.7.8.2: the length counts from the first writable byte, so a status behind data that was
    // not written counts 0.
    uint64_t written = fills ? 0 : 1;
    if (status == BlockStatus::kOk) {
        written = fills ? pending.length + 1 : 1;
        counters_.bytes_read += pending.kind == Kind::kRead ? pending.length : 0;
        counters_.bytes_written += pending.kind == Kind::kWrite ? pending.length : 0;
    } else if (status == BlockStatus::kIoError) {
        ++counters_.errors;
    }
    activation_.queues[0].add_used(pending.head, static_cast<uint32_t>(written));
}

}  // namespace anchorhold::virtio
