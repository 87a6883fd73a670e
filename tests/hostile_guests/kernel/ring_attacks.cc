// Chains that no driver makes, on every queue from which a device takes buffers by itself.
#include "attack.h"
#include "driver.h"

namespace hostile {
namespace {

struct Target {
    Slot slot;
    uint32_t queue;
};
constexpr Target kTargets[] = {
    {Slot::kVsock, 1},   {Slot::kReadOnlyDisk, 0}, {Slot::kDisk, 0},    {Slot::kEntropy, 0},
    {Slot::kBalloon, 0}, {Slot::kBalloon, 1},      {Slot::kBalloon, 2},
};

// Writes one broken chain; its head is descriptor 0 unless it says otherwise.
using Chain = uint16_t (*)(Ring& ring, const Surroundings& around);

// Each chain, on each target: the device has to stop, and to work again after a reset.
template <uint64_t kCount>
Result break_with(const Chain (&chains)[kCount], const Surroundings& around) {
    Result result{0, "stopped"};
    for (const Target& target : kTargets) {
        for (const Chain chain : chains) {
            const Device device(target.slot);
            device.start();
            offer(device, target.queue, chain(ring_of(target.queue), around));
            ++result.made;
            if (!device.waits_until_broken()) {
                result.outcome = "went_on";
                print("went on: slot ");
                print(static_cast<uint64_t>(target.slot));
                print(", queue ");
                print(uint64_t{target.queue});
                print("\n");
            }
            device.set(Register::kStatus, 0);
        }
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

Result loops(const Surroundings& around) {
    constexpr Chain kChains[] = {
        [](Ring& ring, const Surroundings&) -> uint16_t {  // two in a circle
            ring.descriptors[0] = {kScratch, 64, kNext, 1};
            ring.descriptors[1] = {kScratch, 64, kNext, 0};
            return 0;
        },
        [](Ring& ring, const Surroundings&) -> uint16_t {  // one, its own successor
            ring.descriptors[0] = {kScratch, 64, kNext | kWrite, 0};
            return 0;
        },
        [](Ring& ring, const Surroundings&) -> uint16_t {  // an indirect table that is the table
            ring.descriptors[0] = {reinterpret_cast<uint64_t>(ring.descriptors), sizeof(Descriptor),
                                   kIndirectTable, 0};
            return 0;
        },
        [](Ring& ring, const Surroundings&) -> uint16_t {  // a circle within an indirect table
            auto* const table = reinterpret_cast<Descriptor*>(kScratch);
            table[0] = {kScratch, 64, kNext, 1};
            table[1] = {kScratch, 64, kNext, 0};
            ring.descriptors[0] = {kScratch, 2 * sizeof(Descriptor), kIndirectTable, 0};
            return 0;
        },
    };
    return break_with(kChains, around);
}

template <uint64_t kAddress, uint32_t kLength, uint16_t kFlags>
uint16_t buffer_at(Ring& ring, const Surroundings&) {
    ring.descriptors[0] = {kAddress, kLength, kFlags, 0};
    return 0;
}

Result outside_memory(const Surroundings& around) {
    constexpr Chain kChains[] = {
        buffer_at<0xd0000000, 4096, kWrite>,  // a device's registers
        buffer_at<0xfec00000, 64, 0>,         // the IOAPIC's
        buffer_at<0xfee00000, 64, kWrite>,    // the local APIC's
        buffer_at<uint64_t{1} << 52, 64, kWrite>,
        buffer_at<0xd0000000, 64, kIndirectTable>,
        [](Ring& ring, const Surroundings& place) -> uint16_t {  // half in, half out
            ring.descriptors[0] = {place.memory_end - 32, 64, kWrite, 0};
            return 0;
        },
    };
    return break_with(kChains, around);
}

Result lengths_that_wrap(const Surroundings& around) {
    constexpr Chain kChains[] = {
        buffer_at<0xfffffffffffff000, 0x2000, kWrite>,  // past the last address
        buffer_at<0xfffffffffffffff0, 0xffffffff, 0>,
        buffer_at<0, 0xffffffff, kWrite>,
        buffer_at<kScratch, 0xfffffff0, kIndirectTable>,
        buffer_at<kScratch, 8, kIndirectTable>,                  // half a descriptor
        [](Ring& ring, const Surroundings& place) -> uint16_t {  // more than 4 GiB in small pieces
            auto* const table = reinterpret_cast<Descriptor*>(kScratch);
            constexpr uint16_t kPieces = 250;
            for (uint16_t i = 0; i < kPieces; ++i) {
                table[i] = {0, static_cast<uint32_t>(place.memory_end), kNext | kWrite,
                            static_cast<uint16_t>(i + 1)};
            }
            table[kPieces - 1].flags = kWrite;
            ring.descriptors[0] = {kScratch, kPieces * sizeof(Descriptor), kIndirectTable, 0};
            return 0;
        },
    };
    return break_with(kChains, around);
}

Result indices_out_of_range(const Surroundings& around) {
    constexpr Chain kChains[] = {
        [](Ring&, const Surroundings&) -> uint16_t { return 0xffff; },
        [](Ring& ring, const Surroundings&) -> uint16_t { return ring.size; },
        [](Ring& ring, const Surroundings&) -> uint16_t {
            ring.descriptors[0] = {kScratch, 64, kNext, 0xffff};
            return 0;
        },
        [](Ring& ring, const Surroundings&) -> uint16_t {  // more available than the queue holds
            ring.available.index = 0x8000;
            return 0;
        },
        [](Ring& ring, const Surroundings&) -> uint16_t {  // written before read
            ring.descriptors[0] = {kScratch, 64, kNext | kWrite, 1};
            ring.descriptors[1] = {kScratch, 64, 0, 0};
            return 0;
        },
    };
    return break_with(kChains, around);
}

// The device writes its answers over its own descriptors, whose addresses change by that: far from
// anything that we need, and not the balloon, which could be made to give our own pages away.
Result rings_on_top_of_each_other(const Surroundings&) {
    constexpr uint64_t kPlace = kScratch + 0x9000;
    auto& ring = *reinterpret_cast<Ring*>(kPlace);
    Result result{0, "survived"};
    for (const Target& target : kTargets) {
        if (target.slot == Slot::kBalloon) {
            continue;
        }
        const Device device(target.slot);
        device.negotiate();
        device.set(Register::kQueueSelect, target.queue);
        const uint32_t size = device.get(Register::kQueueSizeMax);
        for (uint32_t i = 0; i < size; ++i) {
            ring.descriptors[i] = {kPlace, 4096, kWrite, 1};
        }
        for (const Register part :
             {Register::kQueueDescriptors, Register::kQueueAvailable, Register::kQueueUsed}) {
            device.set_address(part, kPlace);
        }
        device.set(Register::kQueueReady, 1);
        device.go();
        for (uint32_t kick = 0; kick < 200; ++kick) {
            device.notify(target.queue);
            ++result.made;
        }
        device.set(Register::kStatus, 0);
    }
    return entropy_still_comes() ? result : Result{result.made, "dead"};
}

constexpr Attack kAttacks[] = {
    {"descriptor_loops", loops},
    {"chains_outside_memory", outside_memory},
    {"lengths_that_wrap", lengths_that_wrap},
    {"indices_out_of_range", indices_out_of_range},
    {"rings_on_top_of_each_other", rings_on_top_of_each_other},
};

}  // namespace

Attacks ring_attacks() {
    return {kAttacks, sizeof kAttacks / sizeof kAttacks[0]};
}

}  // namespace hostile
