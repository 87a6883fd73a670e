// The whole of `anchorhold bench start` on a host that has KVM: from what is asked to a report.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/peer.h"
#include "bench/report.h"
#include "bench/series.h"
#include "supervisor/installation.h"
#include "supervisor/spec.h"

namespace anchorhold::bench {

struct MeasureRequest {
    supervisor::SandboxSpec sandbox;
    uint32_t count = 21;
    SeriesOptions::TickPhases tick_phases = SeriesOptions::TickPhases::kAsTheyCome;
    std::vector<PeerRequest> peers;
    std::vector<std::string> command;  // prints something
    std::string clock = "host";        // Environment::clock
    std::string version;               // of Anchorhold
    std::function<void(uint32_t done, uint32_t of, const std::string& next)> on_progress;
};

// Nothing is left behind, whatever happens.
[[nodiscard]] Result<Report> measure(const supervisor::Installation& installation,
                                     const MeasureRequest& request);

}  // namespace anchorhold::bench
