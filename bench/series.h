// Many starts, the variants in turn, so that whatever the host does meanwhile meets all of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "bench/report.h"
#include "bench/variant.h"
#include "proto/exec.pb.h"

namespace anchorhold::bench {

struct SeriesOptions {
    uint32_t count = 21;  // measured starts of each variant; one more, before them, is not counted
    enum class TickPhases {
        kAsTheyCome,
        kShifted,  // start i of n begins i/n of a tick after a tick
    } tick_phases = TickPhases::kAsTheyCome;
    proto::ExecStart command;
    Duration patience = std::chrono::minutes(3);  // for one start
    uint32_t late_allowed = 0;  // starts of the series that may run out of it: each begins again
    // Before each start: rounds done, of how many, and who is next.
    std::function<void(uint32_t done, uint32_t of, const std::string& next)> on_progress;
};

// The first start that fails ends the series, and so does the first late one that is not allowed.
[[nodiscard]] Result<std::vector<VariantResult>> run_series(
    EventLoop& loop, std::vector<std::unique_ptr<Variant>>& variants, const SeriesOptions& options);

}  // namespace anchorhold::bench
