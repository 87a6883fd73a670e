// How many events a CPU-second writes: batches of 16 decisions, chain, MAC, checkpoints, state.
#include <fmt/core.h>

#include <ctime>

#include "rig.h"

int main() {
    using namespace anchorhold::supervisor;
    constexpr int kBatches = 25'000;
    constexpr size_t kBatch = 16;
    const AuditRig rig;
    const auto log = rig.open().value();
    const std::vector<anchorhold::proto::AuditEvent> batch(
        kBatch, AuditRig::decision("/repos/owner/name/issues?state=open&page=2"));
    const std::clock_t began = std::clock();
    for (int i = 0; i < kBatches; ++i) {
        if (!log->append(batch)) {
            return 1;
        }
    }
    const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
    const double wrote = kBatches * static_cast<double>(kBatch);
    const auto size = std::filesystem::file_size(log->path());
    fmt::print("{:.0f} events per CPU-second, {:.2f} us each, {} bytes a line\n", wrote / seconds,
               seconds / wrote * 1e6, size / log->records());
    return 0;
}
