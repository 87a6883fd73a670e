// What a run of the bench found: data only. JSON in report_json.h, text in table.h, SVG in
// distribution_plot.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/crowd.h"
#include "bench/environment.h"
#include "bench/start_once.h"
#include "bench/statistics.h"
#include "bench/variant.h"

namespace anchorhold::bench {

// What was booted and run, and in which way.
struct Work {
    std::string image;  // as it was named
    uint64_t kernel_bytes = 0;
    uint64_t initrd_bytes = 0;
    uint64_t image_bytes = 0;
    uint32_t cpus = 1;
    uint64_t memory_bytes = 0;
    uint64_t disk_bytes = 0;
    std::vector<std::string> command;
    std::string tick_phases;  // "shifted" or "as they come"
};

struct VariantResult {
    VariantDescription description;
    std::vector<Start> starts;
    uint32_t late = 0;  // that ran out of patience and were begun again; not among them
};

struct Report {
    Environment environment;
    Work work;
    std::vector<VariantResult> variants;  // the first one is what the others are compared with
    std::vector<Rush> rushes;
    std::vector<IdleCrowd> idle;
    std::string command_line;  // of the bench; empty: unknown
};

// Over the starts that have the figure; nullopt where none has.
[[nodiscard]] std::optional<Summary> summary_of(const VariantResult& variant, Phase phase);
[[nodiscard]] std::optional<Summary> memory_of(const VariantResult& variant);
// Of each count that any start has; one that a start has not is 0 there.
[[nodiscard]] std::map<std::string, Summary> counters_of(const VariantResult& variant);

}  // namespace anchorhold::bench
