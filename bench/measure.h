// The whole of `anchorhold bench start` on a host that has KVM: from what is asked to a report.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/peer.h"
#include "bench/report.h"
#include "bench/series.h"
#include "bench/variant.h"
#include "supervisor/installation.h"
#include "supervisor/memory_backend.h"
#include "supervisor/spec.h"

namespace anchorhold::bench {

struct MeasureRequest {
    supervisor::SandboxSpec sandbox;
    uint32_t count = 21;
    SeriesOptions::TickPhases tick_phases = SeriesOptions::TickPhases::kAsTheyCome;
    std::vector<StartKind> starts = {StartKind::kCold};
    std::optional<supervisor::MemoryBackend> memory_backend;  // of those; unset: the template's
    std::string from;                  // a template for those that are not cold; empty: one is made
    std::vector<std::string> warm;     // of the one that is made: shell commands to run first
    std::vector<PeerRequest> peers;    // start cold
    std::vector<std::string> command;  // prints something
    std::vector<uint32_t> rushes;      // each kind of start, so many at once
    std::vector<uint32_t> idle;        // so many restored ones kept, to see what they hold
    std::string clock = "host";        // Environment::clock
    std::string version;               // of Anchorhold
    std::function<void(const std::string& step)> on_step;  // of making the template
    std::function<void(uint32_t done, uint32_t of, const std::string& next)> on_progress;
};

// Nothing is left behind, whatever happens.
[[nodiscard]] Result<Report> measure(const supervisor::Installation& installation,
                                     MeasureRequest request);

}  // namespace anchorhold::bench
