// Page arrays and reports of a driver without manners.
#include "base/log.h"
#include "ring_fuzzer.h"
#include "virtio/balloon/balloon_device.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    log::configure("fuzz", log::Level::kOff);
    fuzz::FuzzInput input(data, size);
    fakes::Bench bench;
    virtio::BalloonDevice device(*bench.memory, *bench.loop, bench.lock);
    virtio::MmioTransport transport(device, *bench.memory, bench.irq, *bench.loop, bench.lock);
    fakes::GuestDriver driver(bench, transport);
    driver.start();
    while (!input.empty()) {
        fuzz::ring_step(bench, driver, 3, input);
    }
    bench.settle();
    return 0;
}
