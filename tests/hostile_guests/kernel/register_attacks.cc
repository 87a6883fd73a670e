// The status state machine, the queue registers and the configuration space, out of order.
#include "attack.h"
#include "driver.h"

namespace hostile {
namespace {

constexpr Slot kEverySlot[] = {Slot::kVsock, Slot::kReadOnlyDisk, Slot::kDisk, Slot::kEntropy,
                               Slot::kBalloon};
constexpr uint32_t kQueuesEach = 3;

// "kept": the queue that was checked at DRIVER_OK is the one that goes on serving.
Result queue_registers_after_activation(const Surroundings&) {
    constexpr Register kAddresses[] = {Register::kQueueDescriptors, Register::kQueueAvailable,
                                       Register::kQueueUsed};
    uint64_t made = 0;
    for (const Slot slot : kEverySlot) {
        const Device device(slot);
        device.start();
        for (uint32_t queue = 0; queue < kQueuesEach; ++queue) {
            device.set(Register::kQueueSelect, queue);
            for (const uint32_t ready : {0U, 1U}) {
                device.set(Register::kQueueReady, ready);
                device.set(Register::kQueueSize, 0xffff);
                for (const Register address : kAddresses) {
                    device.set_address(address, 0xfffffffffffff000);
                }
                made += 5;
            }
        }
        device.set(Register::kDriverFeaturesSelect, 0);
        device.set(Register::kDriverFeatures, 0xffffffff);
        if (device.needs_reset()) {
            return {made, "stopped"};
        }
    }
    // The last but one device started is still as it was: its queue serves.
    const Device entropy(Slot::kEntropy);
    entropy.start();
    Ring& ring = ring_of(0);
    entropy.set(Register::kQueueSelect, 0);
    entropy.set(Register::kQueueReady, 0);
    entropy.set_address(Register::kQueueUsed, 0xd0000000);
    ring.descriptors[0] = {kScratch, 64, kWrite, 0};
    offer(entropy, 0, 0);
    return {made, entropy.waits_until_used(ring, 1) ? "kept" : "changed"};
}

// "stopped": each such queue is refused as a whole.
Result queues_that_cannot_be(const Surroundings& around) {
    struct {
        uint32_t size;
        uint64_t descriptors;
        uint64_t used;
    } const queues[] = {
        {3, kScratch, kScratch + 0x10000},
        {0, kScratch, kScratch + 0x10000},
        {0x8000, kScratch, kScratch + 0x10000},
        {0xffff, kScratch, kScratch + 0x10000},
        {16, 0xd0000000, kScratch},
        {16, kScratch, 0xfffffffffffffff0},
        {16, kScratch + 1, kScratch + 0x10000},
        {16, kScratch, around.memory_end - 8},
        {16, uint64_t{1} << 63, kScratch},
    };
    Result result{0, "stopped"};
    for (const Slot slot : kEverySlot) {
        for (const auto& queue : queues) {
            const Device device(slot);
            device.negotiate();
            device.set(Register::kQueueSelect, 0);
            device.set(Register::kQueueSize, queue.size);
            device.set_address(Register::kQueueDescriptors, queue.descriptors);
            device.set_address(Register::kQueueAvailable, kScratch + 0x8000);
            device.set_address(Register::kQueueUsed, queue.used);
            device.set(Register::kQueueReady, 1);
            device.go();
            device.notify(0);
            ++result.made;
            if (!device.needs_reset()) {
                result.outcome = "went_on";
            }
            device.set(Register::kStatus, 0);
        }
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

Result features_not_offered(const Surroundings&) {
    Result result{0, "refused"};
    for (const Slot slot : kEverySlot) {
        for (const uint64_t features :
             {~uint64_t{0}, uint64_t{0}, kVersion1 | (uint64_t{1} << 33), uint64_t{1} << 24}) {
            if (Device(slot).negotiate(features)) {
                result.outcome = "accepted";
            }
            ++result.made;
        }
    }
    return result;
}

Result status_out_of_order(const Surroundings&) {
    Result result{0, "survived"};
    for (const Slot slot : kEverySlot) {
        const Device device(slot);
        for (uint32_t value = 0; value < 512; ++value) {
            device.set(Register::kStatus, (value * 0x9e3779b1U) >> 24);
            device.notify(value % 4);
            ++result.made;
        }
        device.set(Register::kStatus, kDriverOk);  // without any step before it
        device.set(Register::kStatus, 0xffffffff);
        device.set(Register::kStatus, 0);
        if (device.get(Register::kStatus) != 0) {
            result.outcome = "stuck";
        }
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

Result notify_storm(const Surroundings&) {
    constexpr uint64_t kKicks = 4'000;
    Result result{0, "survived"};
    for (const Slot slot : kEverySlot) {
        const Device device(slot);
        device.start();
        for (uint64_t i = 0; i < kKicks; ++i) {
            device.notify(static_cast<uint32_t>(i % 4 == 3 ? i * 0x10001 : i % 4));
            ++result.made;
        }
        if (device.needs_reset()) {
            result.outcome = "stopped";
        }
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

Result reset_storm(const Surroundings&) {
    constexpr uint64_t kResets = 100;
    Result result{0, "survived"};
    for (uint64_t i = 0; i < kResets; ++i) {
        for (const Slot slot : kEverySlot) {
            const Device device(slot);
            device.start();
            // Something under way, so that the reset has something to end.
            ring_of(0).descriptors[0] = {kScratch, 16, kNext, 1};
            ring_of(0).descriptors[1] = {kScratch + 4096, 4096, kNext | kWrite, 2};
            ring_of(0).descriptors[2] = {kScratch + 8192, 1, kWrite, 0};
            poke<uint64_t>(kScratch, 0);
            poke<uint64_t>(kScratch + 8, 0);
            offer(device, 0, 0);
            device.set(Register::kStatus, 0);
            ++result.made;
        }
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

// Every register and configuration byte of every slot, also of slots without a device, in every
// width and unaligned.
Result register_sweep(const Surroundings&) {
    Result result{0, "survived"};
    for (uint64_t slot = 0; slot < kSlots + 2; ++slot) {
        const uint64_t base = 0xd0000000 + slot * 0x1000;
        for (uint64_t offset = 0; offset < 0x140; ++offset) {
            static_cast<void>(peek<uint8_t>(base + offset));
            static_cast<void>(peek<uint32_t>(base + offset));
            static_cast<void>(peek<uint64_t>(base + offset));
            poke<uint16_t>(base + offset, 0xffff);
            poke<uint32_t>(base + offset, 0xffffffff);
            poke<uint64_t>(base + offset, 0x0101010101010101);
            result.made += 6;
        }
        static_cast<void>(peek<uint64_t>(base + 0xffc));
        poke<uint64_t>(base + 0xffc, ~uint64_t{0});
        poke<uint32_t>(base + static_cast<uint32_t>(Register::kStatus), 0);
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

constexpr Attack kAttacks[] = {
    {"queue_registers_after_activation", queue_registers_after_activation},
    {"queues_that_cannot_be", queues_that_cannot_be},
    {"features_not_offered", features_not_offered},
    {"status_out_of_order", status_out_of_order},
    {"notify_storm", notify_storm},
    {"reset_storm", reset_storm},
    {"register_sweep", register_sweep},
};

}  // namespace

Attacks register_attacks() {
    return {kAttacks, sizeof kAttacks / sizeof kAttacks[0]};
}

}  // namespace hostile
