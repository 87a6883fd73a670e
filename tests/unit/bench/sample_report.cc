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
    return {.times = cut(at),
            .vmm_private_bytes = memory,
            .counters = {{"kvm.exits", 100 * unit / kMillisecond}}};
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
    VariantResult ours{{.name = "anchorhold",
                        .version = "anchorhold 1.2.3",
                        .command_line = {"/lib/vmm"},
                        .configuration = {}},
                       {}};
    VariantResult qemu{{.name = "qemu",
                        .version = "QEMU 7.2",
                        .command_line = {"/usr/bin/qemu", "-M", "microvm"},
                        .configuration = {}},
                       {}};
    for (const uint64_t step : {1, 2, 3}) {
        ours.starts.push_back(start(step * kMillisecond, step << 20));
        qemu.starts.push_back(untold(start(4 * step * kMillisecond, step << 24)));
    }
    report.variants = {ours, qemu};
    report.rushes = {{.start = StartKind::kRestored,
                      .count = 2,
                      .to_first_byte = {8 * kMillisecond, 9 * kMillisecond},
                      .error = {}}};
    const auto idle = [](uint32_t count, uint64_t private_mib) {
        return IdleCrowd{.start = StartKind::kRestored,
                         .count = count,
                         .answered = count,
                         .error = {},
                         .private_bytes = private_mib << 20,
                         .pss_bytes = (private_mib + 1) << 20,
                         .available_fall = (private_mib + 2) << 20};
    };
    report.idle = {idle(1, 13), idle(10, 40)};
    report.command_line = "anchorhold bench start --image 'a b'";
    return report;
}

}  // namespace anchorhold::bench
