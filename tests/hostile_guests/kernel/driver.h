// A virtio driver without manners: every register and every ring byte is there to be written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machine.h"

namespace hostile {

// Slots of the machine that the test makes (vmm/machine/device_set.cc has the order).
enum class Slot : uint32_t { kVsock = 0, kReadOnlyDisk = 1, kDisk = 2, kEntropy = 3, kBalloon = 4 };
constexpr uint32_t kSlots = 5;

// Registers of virtio 1.2 §4.2.2.
enum class Register : uint32_t {
    kDeviceFeatures = 0x10,
    kDeviceFeaturesSelect = 0x14,
    kDriverFeatures = 0x20,
    kDriverFeaturesSelect = 0x24,
    kQueueSelect = 0x30,
    kQueueSizeMax = 0x34,
    kQueueSize = 0x38,
    kQueueReady = 0x44,
    kQueueNotify = 0x50,
    kStatus = 0x70,
    kQueueDescriptors = 0x80,
    kQueueAvailable = 0x90,
    kQueueUsed = 0xa0,
    kConfig = 0x100,
};

constexpr uint32_t kAcknowledge = 1;
constexpr uint32_t kDriver = 2;
constexpr uint32_t kDriverOk = 4;
constexpr uint32_t kFeaturesOk = 8;
constexpr uint32_t kNeedsReset = 64;

constexpr uint64_t kVersion1 = uint64_t{1} << 32;
constexpr uint64_t kIndirect = uint64_t{1} << 28;

constexpr uint16_t kNext = 1;
constexpr uint16_t kWrite = 2;
constexpr uint16_t kIndirectTable = 4;

struct Descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};
struct UsedElement {
    uint32_t head;
    uint32_t written;
};

constexpr uint16_t kMaxQueueSize = 128;

// One split queue; the device is told where its three parts are.
struct alignas(4096) Ring {
    Descriptor descriptors[kMaxQueueSize];
    struct {
        uint16_t flags, index, ring[kMaxQueueSize], used_event;
    } available;
    alignas(8) struct {
        uint16_t flags;
        volatile uint16_t index;
        UsedElement ring[kMaxQueueSize];
        uint16_t available_event;
    } used;
    uint16_t size;  // ours, not the device's
    uint16_t seen;  // of used
};

class Device {
  public:
    explicit Device(Slot slot) : base_(0xd0000000 + static_cast<uint64_t>(slot) * 0x1000) {}

    [[nodiscard]] uint64_t base() const { return base_; }
    [[nodiscard]] uint32_t get(Register at) const {
        return peek<uint32_t>(base_ + static_cast<uint32_t>(at));
    }
    void set(Register at, uint32_t value) const {
        poke<uint32_t>(base_ + static_cast<uint32_t>(at), value);
    }
    void set_address(Register at, uint64_t value) const;

    // Reset, and on to FEATURES_OK; false when the device did not take `features`.
    bool negotiate(uint64_t features = kVersion1 | kIndirect) const;
    // The queue as the device is to see it, at its largest size. Between negotiate() and go().
    Ring& set_up(uint32_t queue) const;
    void announce(uint32_t queue, const Ring& ring, uint32_t size) const;
    void go() const;
    // All of it, with every queue the device has.
    void start() const;

    void notify(uint32_t queue) const { set(Register::kQueueNotify, queue); }
    [[nodiscard]] bool needs_reset() const { return (get(Register::kStatus) & kNeedsReset) != 0; }
    // Waits for the device's thread, which has never taken seconds.
    [[nodiscard]] bool waits_until_broken() const;
    [[nodiscard]] bool waits_until_used(Ring& ring, uint16_t count) const;

  private:
    uint64_t base_;
};

Ring& ring_of(uint32_t queue);
// Makes chain `head` available and kicks.
void offer(const Device& device, uint32_t queue, uint16_t head);

// Does an ordinary request come back filled? Uses the entropy device, which is started anew.
bool entropy_still_comes();

// Memory for buffers: above the image, nobody else's.
constexpr uint64_t kScratch = uint64_t{16} << 20;

}  // namespace hostile
