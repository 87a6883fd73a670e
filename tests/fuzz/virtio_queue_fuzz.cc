// Rings and chains of a driver without manners, against the entropy device.
#include "base/log.h"
#include "ring_fuzzer.h"
#include "virtio/rng/rng_device.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    log::configure("fuzz", log::Level::kOff);
    fuzz::FuzzInput input(data, size);
    fakes::Bench bench;
    virtio::RngDevice device(*bench.loop, bench.lock);
    virtio::MmioTransport transport(device, *bench.memory, bench.irq, *bench.loop, bench.lock);
    fakes::GuestDriver driver(bench, transport);
    const uint64_t features = input.take<uint8_t>() % 4U;
    driver.start(virtio::kFeatureVersion1 | (features << 28));
    while (!input.empty()) {
        fuzz::ring_step(bench, driver, 1, input);
    }
    bench.settle();
    return 0;
}
