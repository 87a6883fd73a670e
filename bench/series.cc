// Round 0 brings files into the page cache and is thrown away.
#include "bench/series.h"

#include <cerrno>

#include "bench/host_tick.h"

namespace anchorhold::bench {
namespace {

Result<Start> prepare_and_start(EventLoop& loop, Variant& variant, const SeriesOptions& options,
                                uint32_t round) {
    ANCHORHOLD_TRY(variant.prepare(options.patience));
    if (options.tick_phases == SeriesOptions::TickPhases::kShifted) {
        wait_until_phase(tick_period_ns(), round, options.count);
    }
    return start_once(loop, variant, options.command, options.patience);
}

}  // namespace

Result<std::vector<VariantResult>> run_series(EventLoop& loop,
                                              std::vector<std::unique_ptr<Variant>>& variants,
                                              const SeriesOptions& options) {
    std::vector<VariantResult> results(variants.size());
    uint32_t late = 0;
    for (uint32_t round = 0; round <= options.count; ++round) {
        for (size_t index = 0; index < variants.size(); ++index) {
            Variant& variant = *variants[index];
            if (options.on_progress) {
                options.on_progress(round, options.count + 1, title(variant.description()));
            }
            auto start = prepare_and_start(loop, variant, options, round);
            while (!start && start.error().code == ETIMEDOUT && late < options.late_allowed) {
                ++late;
                ++results[index].late;
                start = prepare_and_start(loop, variant, options, round);
            }
            if (!start) {
                return tl::unexpected(start.error());
            }
            if (round != 0) {
                results[index].starts.push_back(*start);
            }
        }
    }
    for (size_t index = 0; index < variants.size(); ++index) {
        results[index].description = variants[index]->description();
    }
    return results;
}

}  // namespace anchorhold::bench
