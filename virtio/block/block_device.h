// The block device (virtio 1.2 §5.2): requests in, disk jobs out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event_loop.h"
#include "virtio/block/disk.h"
#include "virtio/block/request.h"
#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/queue.h"

namespace anchorhold::virtio {

struct BlockOptions {
    DiskAccess access = DiskAccess::kReadOnly;
    std::string id;  // what VIRTIO_BLK_T_GET_ID answers, cut at 20 bytes
};

struct BlockCounters {
    uint64_t bytes_read = 0;     // by the guest
    uint64_t bytes_written = 0;  // by the guest
    uint64_t errors = 0;         // requests answered with VIRTIO_BLK_S_IOERR
};

// One request queue. Offers SEG_MAX and BLK_SIZE, and either RO or FLUSH, DISCARD and WRITE_ZEROES.
class BlockDevice final : public Device, private DiskClient {
  public:
    // The disk, the loop and the lock outlive the device.
    BlockDevice(Disk& disk, BlockOptions options, EventLoop& loop, DeviceLock& lock);
    ~BlockDevice() override;
    BlockDevice(const BlockDevice&) = delete;
    BlockDevice& operator=(const BlockDevice&) = delete;

    [[nodiscard]] DeviceType type() const override { return DeviceType::kBlock; }
    [[nodiscard]] uint64_t features() const override;
    [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
    void read_config(uint64_t offset, std::span<std::byte> out) const override;
    void write_config(uint64_t offset, std::span<const std::byte> bytes) override;
    void activate(const Activation& activation) override;
    // Waits for jobs that have begun; the others are forgotten.
    void reset() override;
    void process_queue(size_t index) override;

    [[nodiscard]] const BlockCounters& counters() const { return counters_; }
    // Requests handed to the disk and not yet answered; a snapshot waits for 0.
    [[nodiscard]] size_t in_flight() const { return pending_.size(); }

  private:
    struct Pending {
        uint16_t head = 0;
        std::byte* status = nullptr;
        BlockRequest::Kind kind{};
        uint64_t length = 0;
    };

    void disk_completed(uint64_t tag, int error) override;
    void serve(DescriptorChain& chain);
    void finish(const Pending& pending, BlockStatus status);
    static DiskJob job_of(BlockRequest& request, uint64_t tag);

    Disk& disk_;
    BlockOptions options_;
    DeferredCall again_;  // a batch was cut short: the rest in the next turn of the loop
    Activation activation_;
    bool active_ = false;
    uint64_t next_tag_ = 1;
    std::unordered_map<uint64_t, Pending> pending_;
    DescriptorChain chain_;
    BlockCounters counters_;
};

}  // namespace anchorhold::virtio
