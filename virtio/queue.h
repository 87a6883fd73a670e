// A split virtqueue, the device's side (virtio 1.2 §2.7), with INDIRECT_DESC and EVENT_IDX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/endian.h"
#include "base/result.h"
#include "memory/guest_memory.h"
#include "virtio/descriptor_chain.h"
#include "virtio/device.h"

namespace anchorhold::virtio {

// §2.7.5 struct virtq_desc.
struct Descriptor {
    Le64 address;
    Le32 length;
    Le16 flags;
    Le16 next;
};
static_assert(sizeof(Descriptor) == 16);

constexpr uint16_t kDescriptorNext = 1;      // VIRTQ_DESC_F_NEXT
constexpr uint16_t kDescriptorWrite = 2;     // VIRTQ_DESC_F_WRITE
constexpr uint16_t kDescriptorIndirect = 4;  // VIRTQ_DESC_F_INDIRECT

// §2.7.8 struct virtq_used_elem.
struct UsedElement {
    Le32 id;
    Le32 length;
};
static_assert(sizeof(UsedElement) == 8);

// What the driver configures through the transport.
struct QueueConfig {
    uint16_t size = 0;  // entries, a power of two
    bool ready = false;
    uint64_t descriptors = 0;  // guest address of the descriptor table, 16-aligned
    uint64_t available = 0;    // of the driver area, 2-aligned
    uint64_t used = 0;         // of the device area, 4-aligned
};

// What survives a snapshot.
struct QueueState {
    QueueConfig config;
    uint16_t next_available = 0;
    uint16_t next_used = 0;
    uint16_t signalled_used = 0;
};

// Single-threaded under the DeviceLock. Addresses are fixed at activate(): the driver's later
// writes change nothing. When the driver breaks a rule the queue stops (fault() says why) and hands
// out nothing until the next activate().
class Queue {
  public:
    explicit Queue(uint16_t max_size);

    [[nodiscard]] uint16_t max_size() const { return max_size_; }
    // Written by the transport, before activation only.
    [[nodiscard]] QueueConfig& config() { return config_; }
    [[nodiscard]] const QueueConfig& config() const { return config_; }

    // Checks size, alignment and that all three areas are RAM, then serves. An error names what the
    // driver got wrong.
    Status activate(const memory::GuestMemory& memory, uint64_t features);
    // Back to what it was before the driver touched it.
    void reset();
    [[nodiscard]] bool active() const { return memory_ != nullptr && fault_.empty(); }
    [[nodiscard]] bool broken() const { return !fault_.empty(); }
    [[nodiscard]] std::string_view fault() const { return fault_; }  // empty unless broken()
    // Stops the queue for a fault the device found. `reason` has static storage.
    void stop(std::string_view reason);

    // Takes the next available chain. False when there is none or the queue is not active (check
    // broken()).
    [[nodiscard]] bool pop(DescriptorChain& chain);
    // Puts back the chains of the last `count` pops, none of which was used: they will be popped
    // again.
    void unpop(uint16_t count);
    // True when the driver has made a buffer available that was not popped.
    [[nodiscard]] bool has_available() const;
    // The driver's index as last published; for noticing that it moved.
    [[nodiscard]] uint16_t available_index() const;

    // Puts a popped chain into the used ring; `written` bytes of its writable part. Visible after
    // publish().
    void add_used(uint16_t head, uint32_t written);
    // Shows the batch to the driver (§2.7.8). True when the driver wants to be notified of it
    // (§2.7.7, §2.7.10): then call Interrupt::signal_used(). False for an empty batch.
    [[nodiscard]] bool publish();

    // Kicks are a waste while we look anyway.
    void disable_notifications();
    // Asks for kicks again. True when a buffer became available in between, whose kick may have
    // been lost: keep popping.
    [[nodiscard]] bool enable_notifications();

    // Chains popped and not yet used.
    [[nodiscard]] uint16_t in_flight() const { return in_flight_; }

    [[nodiscard]] QueueState save() const;
    // After config() was set from the state and activate() succeeded. An error when the indices
    // cannot be.
    Status restore(const QueueState& state);

  private:
    bool walk(uint16_t head, DescriptorChain& chain);
    bool add_segment(const Descriptor& descriptor, DescriptorChain& chain);
    bool fail_chain(std::string_view reason);

    uint16_t max_size_;
    QueueConfig config_;

    const memory::GuestMemory* memory_ = nullptr;
    uint16_t size_ = 0;  // config_.size, fixed at activation
    std::span<std::byte> descriptors_;
    std::span<std::byte> available_;
    std::span<std::byte> used_;
    bool event_index_ = false;
    bool indirect_ = false;
    std::string_view fault_;

    uint16_t next_available_ = 0;  // §2.7.13 and on: indices run freely, modulo 2^16
    uint16_t next_used_ = 0;
    uint16_t published_used_ = 0;
    uint16_t signalled_used_ = 0;  // used index at the last notification decision
    uint16_t in_flight_ = 0;
};

}  // namespace anchorhold::virtio
