// The memory balloon (virtio 1.2 §5.5): pages the guest does not need go back to the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/event_loop.h"
#include "memory/guest_memory.h"
#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/queue.h"

namespace anchorhold::virtio {

struct BalloonCounters {
    uint64_t held_bytes = 0;       // `actual`, as the driver last reported it; a claim
    uint64_t discarded_bytes = 0;  // by inflating, in all
    uint64_t reported_bytes = 0;   // given back by free page reporting, in all
    uint64_t refused_pages = 0;    // named by the driver, but no RAM
};

struct BalloonState {
    uint32_t target_pages = 0;
    uint32_t actual_pages = 0;
};

// Offers DEFLATE_ON_OOM and free page reporting (VIRTIO_BALLOON_F_REPORTING). Queues: inflate,
// deflate, reporting.
class BalloonDevice final : public Device {
  public:
    // References outlive the device.
    BalloonDevice(const memory::GuestMemory& memory, EventLoop& loop, DeviceLock& lock);
    ~BalloonDevice() override = default;
    BalloonDevice(const BalloonDevice&) = delete;
    BalloonDevice& operator=(const BalloonDevice&) = delete;

    [[nodiscard]] DeviceType type() const override { return DeviceType::kBalloon; }
    [[nodiscard]] uint64_t features() const override;
    [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
    void read_config(uint64_t offset, std::span<std::byte> out) const override;
    void write_config(uint64_t offset, std::span<const std::byte> bytes) override;
    void activate(const Activation& activation) override;
    void reset() override;
    void process_queue(size_t index) override;

    // How many 4 KiB pages the guest should give up, cut at its RAM. Takes effect when the driver
    // follows.
    void set_target(uint64_t pages);
    [[nodiscard]] const BalloonCounters& counters() const { return counters_; }

    [[nodiscard]] BalloonState save() const { return {target_pages_, actual_pages_}; }
    void restore(const BalloonState& state);

  private:
    void inflate(const DescriptorChain& chain);
    void report(const DescriptorChain& chain);
    void discard_page_run(uint64_t first_page, uint64_t pages);

    const memory::GuestMemory& memory_;
    DeferredCall again_;  // a batch was cut short: the rest in the next turn of the loop
    Activation activation_;
    bool active_ = false;
    DescriptorChain chain_;
    uint32_t target_pages_ = 0;
    uint32_t actual_pages_ = 0;
    BalloonCounters counters_;
};

}  // namespace anchorhold::virtio
