// The steps, chosen by one byte each.
#include "ring_fuzzer.h"

namespace anchorhold::fuzz {
namespace {

using memory::GuestAddress;

// Most addresses inside the arena, some at the end of RAM, some anywhere.
uint64_t address(FuzzInput& input) {
    const auto kind = input.take<uint8_t>();
    if (kind < 0xe0) {
        return kArena + input.take<uint16_t>() % kArenaSize;
    }
    return kind < 0xf0 ? (16 << 20) - input.take<uint8_t>() : input.take<uint64_t>();
}

uint32_t length(FuzzInput& input) {
    const auto kind = input.take<uint8_t>();
    return kind < 0xf0 ? input.take<uint16_t>() % 0x1800 : input.take<uint32_t>();
}

}  // namespace

void ring_step(fakes::Bench& bench, fakes::GuestDriver& driver, size_t queues, FuzzInput& input) {
    const auto choice = input.take<uint8_t>();
    const size_t queue = (choice >> 4) % queues;
    const uint16_t size = driver.queue_size(queue);
    switch (choice % 8) {
        case 0:
        case 1: {
            const auto index = static_cast<uint16_t>(input.take<uint8_t>() % size);
            const uint64_t where = address(input);
            const uint32_t bytes = length(input);
            const auto flags = static_cast<uint16_t>(input.take<uint8_t>() % 8);
            const auto next = static_cast<uint16_t>(input.take<uint8_t>());
            driver.set_descriptor(queue, index, {where, bytes, flags, next});
            break;
        }
        case 2: {
            const auto offset = input.take<uint16_t>() % kArenaSize;
            const auto bytes = input.take_bytes(input.take<uint8_t>());
            static_cast<void>(bench.memory->write(GuestAddress(kArena + offset), bytes));
            break;
        }
        case 3:
            driver.make_available(queue, input.take<uint8_t>());
            break;
        case 4:
            driver.set_available_index(queue, input.take<uint16_t>());
            break;
        case 5:
            driver.set_used_event(queue, input.take<uint16_t>());
            driver.set_available_flags(queue, input.take<uint8_t>());
            break;
        case 6:
            bench.settle();
            break;
        default:
            driver.kick(queue);
            break;
    }
}

}  // namespace anchorhold::fuzz
