// Round 0 brings files into the page cache and is thrown away.
#include "bench/series.h"

#include "bench/host_tick.h"

namespace anchorhold::bench {

Result<std::vector<VariantResult>> run_series(EventLoop& loop,
                                              std::vector<std::unique_ptr<Variant>>& variants,
                                              const SeriesOptions& options) {
    std::vector<VariantResult> results(variants.size());
    const uint64_t tick = tick_period_ns();
    for (uint32_t round = 0; round <= options.count; ++round) {
        for (size_t index = 0; index < variants.size(); ++index) {
            Variant& variant = *variants[index];
            if (options.on_progress) {
                options.on_progress(round, options.count + 1, title(variant.description()));
            }
            ANCHORHOLD_TRY(variant.prepare());
            if (options.tick_phases == SeriesOptions::TickPhases::kShifted) {
                wait_until_phase(tick, round, options.count);
            }
            Start start = ANCHORHOLD_TRY(start_once(loop, variant, options.command));
            if (round != 0) {
                results[index].starts.push_back(start);
            }
        }
    }
    for (size_t index = 0; index < variants.size(); ++index) {
        results[index].description = variants[index]->description();
    }
    return results;
}

}  // namespace anchorhold::bench
