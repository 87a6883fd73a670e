// Register accesses of any width, at any offset, in any order.
#include <array>

#include "base/log.h"
#include "fuzz_input.h"
#include "guest_driver.h"
#include "virtio/balloon/balloon_device.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    log::configure("fuzz", log::Level::kOff);
    fuzz::FuzzInput input(data, size);
    fakes::Bench bench;
    virtio::BalloonDevice device(*bench.memory, *bench.loop, bench.lock);
    virtio::MmioTransport transport(device, *bench.memory, bench.irq, *bench.loop, bench.lock);
    constexpr std::array<size_t, 5> kWidths = {4, 1, 2, 8, 3};
    while (!input.empty()) {
        const auto choice = input.take<uint8_t>();
        const size_t width = kWidths[choice < 0xe0 ? 0 : choice % kWidths.size()];
        // Registers mostly; a guest-physical window is 4 KiB.
        const uint64_t offset = choice % 16 == 15 ? input.take<uint16_t>() % 0x1100
                                                  : input.take<uint8_t>() & ~uint64_t{3};
        std::array<std::byte, 8> bytes{};
        const std::lock_guard guard(bench.lock);
        if (choice % 2 == 0) {
            transport.read(offset, std::span(bytes).first(width));
        } else {
            const auto value = input.take_bytes(width);
            std::copy(value.begin(), value.end(), bytes.begin());
            transport.write(offset, std::span(bytes).first(width));
        }
    }
    bench.settle();
    return 0;
}
