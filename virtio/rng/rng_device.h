// The entropy device (virtio 1.2 §5.4): the host's getrandom, straight into the guest's buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/event_loop.h"
#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/queue.h"

namespace anchorhold::virtio {

// The most bytes written for one buffer; the driver asks again for more.
constexpr size_t kMaxEntropyRequest = 64 * 1024;

class RngDevice final : public Device {
  public:
    // The loop and the lock outlive the device.
    RngDevice(EventLoop& loop, DeviceLock& lock);
    ~RngDevice() override = default;
    RngDevice(const RngDevice&) = delete;
    RngDevice& operator=(const RngDevice&) = delete;

    [[nodiscard]] DeviceType type() const override { return DeviceType::kEntropy; }
    [[nodiscard]] uint64_t features() const override { return 0; }
    [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
    void read_config(uint64_t offset, std::span<std::byte> out) const override;
    void write_config(uint64_t offset, std::span<const std::byte> bytes) override;
    void activate(const Activation& activation) override;
    void reset() override;
    void process_queue(size_t index) override;

    [[nodiscard]] uint64_t bytes_given() const { return bytes_given_; }

  private:
    DeferredCall again_;  // a batch was cut short: the rest in the next turn of the loop
    Activation activation_;
    bool active_ = false;
    DescriptorChain chain_;
    uint64_t bytes_given_ = 0;
};

}  // namespace anchorhold::virtio
