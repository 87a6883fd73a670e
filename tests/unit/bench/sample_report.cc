#include "sample_report.h"

namespace anchorhold::bench {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;

Start start(uint64_t unit, uint64_t memory) {
    supervisor::Timeline at;
    at.requested = 5 * kMillisecond;
    at.spawned = at.requested + unit;
    at.configured = at.spawned + unit;
    at.created = at.configured + 3 * unit;
    at.create_vm = unit;
    at.loaded = at.created + unit;
    at.running = at.loaded + unit;
    at.init_started = at.running + 10 * unit;
    at.init_ready = at.init_started + unit;
    at.exec = at.init_ready + unit;
    at.first_byte = at.exec + unit;
    return {.times = cut(at), .vmm_private_bytes = memory};
}

Start untold(Start told) {
    for (const Phase phase : {Phase::kSpawn, Phase::kCreateVm, Phase::kCreate, Phase::kLoad,
                              Phase::kEnter, Phase::kKernel}) {
        told.times[static_cast<size_t>(phase)].reset();
    }
    return told;
}

}  // namespace

Report sample_report() {
    Report report;
    report.environment = {.clock = "virtual",
                          .version = "anchorhold 1.2.3",
                          .kernel = "6.12.0",
                          .cpu = "A <fast> CPU",
                          .kvm = "kvm_amd, nested",
                          .processors = 1,
                          .tick_ns = 4 * kMillisecond,
                          .rcu = "expedited"};
    report.work = {.image = "tiny",
                   .kernel_bytes = 10,
                   .initrd_bytes = 20,
                   .image_bytes = 30,
                   .cpus = 1,
                   .memory_bytes = uint64_t{128} << 20,
                   .disk_bytes = uint64_t{4} << 30,
                   .command = {"printf", "x"},
                   .tick_phases = "shifted"};
    VariantResult ours{{"anchorhold", "anchorhold 1.2.3", {"/lib/vmm"}, ""}, {}};
    VariantResult qemu{{"qemu", "QEMU 7.2", {"/usr/bin/qemu", "-M", "microvm"}, ""}, {}};
    for (const uint64_t step : {1, 2, 3}) {
        ours.starts.push_back(start(step * kMillisecond, step << 20));
        qemu.starts.push_back(untold(start(4 * step * kMillisecond, step << 24)));
    }
    report.variants = {ours, qemu};
    return report;
}

}  // namespace anchorhold::bench
