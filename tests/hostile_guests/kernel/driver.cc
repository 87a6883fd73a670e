// The steps of virtio 1.2 §3.1.1, each of which an attack may also do wrong by itself.
#include "driver.h"

namespace hostile {
namespace {

constexpr uint32_t kQueues = 3;  // the most that a device here has
Ring rings[kQueues];

constexpr uint64_t kPatience = 400'000;  // looks at a register, each of which leaves the guest

}  // namespace

Ring& ring_of(uint32_t queue) {
    return rings[queue % kQueues];
}

void Device::set_address(Register at, uint64_t value) const {
    const auto low = static_cast<uint32_t>(at);
    poke<uint32_t>(base_ + low, static_cast<uint32_t>(value));
    poke<uint32_t>(base_ + low + 4, static_cast<uint32_t>(value >> 32));
}

bool Device::negotiate(uint64_t features) const {
    set(Register::kStatus, 0);
    set(Register::kStatus, kAcknowledge);
    set(Register::kStatus, kAcknowledge | kDriver);
    for (uint32_t word = 0; word < 2; ++word) {
        set(Register::kDriverFeaturesSelect, word);
        set(Register::kDriverFeatures, static_cast<uint32_t>(features >> (32 * word)));
    }
    set(Register::kStatus, kAcknowledge | kDriver | kFeaturesOk);
    return (get(Register::kStatus) & kFeaturesOk) != 0;
}

void Device::announce(uint32_t queue, const Ring& ring, uint32_t size) const {
    set(Register::kQueueSelect, queue);
    set(Register::kQueueSize, size);
    set_address(Register::kQueueDescriptors, reinterpret_cast<uint64_t>(ring.descriptors));
    set_address(Register::kQueueAvailable, reinterpret_cast<uint64_t>(&ring.available));
    set_address(Register::kQueueUsed, reinterpret_cast<uint64_t>(&ring.used));
    set(Register::kQueueReady, 1);
}

Ring& Device::set_up(uint32_t queue) const {
    Ring& ring = ring_of(queue);
    __builtin_memset(&ring, 0, sizeof ring);
    set(Register::kQueueSelect, queue);
    ring.size = static_cast<uint16_t>(get(Register::kQueueSizeMax));
    announce(queue, ring, ring.size);
    return ring;
}

void Device::go() const {
    set(Register::kStatus, kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
}

void Device::start() const {
    negotiate();
    for (uint32_t queue = 0; queue < kQueues; ++queue) {
        set(Register::kQueueSelect, queue);
        if (get(Register::kQueueSizeMax) != 0) {
            set_up(queue);
        }
    }
    go();
}

bool Device::waits_until_broken() const {
    for (uint64_t look = 0; look < kPatience; ++look) {
        if (needs_reset()) {
            return true;
        }
    }
    return false;
}

bool Device::waits_until_used(Ring& ring, uint16_t count) const {
    for (uint64_t look = 0; look < kPatience && !needs_reset(); ++look) {
        if (static_cast<uint16_t>(ring.used.index - ring.seen) >= count) {
            ring.seen = static_cast<uint16_t>(ring.seen + count);
            return true;
        }
    }
    return false;
}

void offer(const Device& device, uint32_t queue, uint16_t head) {
    Ring& ring = ring_of(queue);
    ring.available.ring[ring.available.index % ring.size] = head;
    asm volatile("" : : : "memory");
    ++ring.available.index;
    asm volatile("mfence" : : : "memory");
    device.notify(queue);
}

bool entropy_still_comes() {
    const Device entropy(Slot::kEntropy);
    entropy.start();
    Ring& ring = ring_of(0);
    ring.descriptors[0] = {kScratch, 64, kWrite, 0};
    offer(entropy, 0, 0);
    return entropy.waits_until_used(ring, 1) && ring.used.ring[0].written == 64;
}

}  // namespace hostile
