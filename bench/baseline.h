// Recorded medians to compare with, and bounds that hold whatever was recorded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bench/report.h"

namespace anchorhold::bench {

// Keys are those of phases(), and "vmm_private_bytes": as they are for cold starts, behind the kind
// of start and a dot for others ("restored.to_first_byte"). Nanoseconds and bytes.
using Figures = std::map<std::string, uint64_t>;

struct Baseline {
    Figures medians;
    Figures limits;                      // a median above one is an error, recorded or not
    std::vector<std::string> stopwatch;  // the command line of the machine they were measured in
};

// Slower by more than this many per cent, and by more than the slack, is a regression. The slack is
// for phases so short that a timer's interrupt, or a file's page that has to be found, is 5 % of
// them.
constexpr uint64_t kTolerancePercent = 5;
constexpr uint64_t kSlackNanoseconds = 500'000;
constexpr uint64_t kSlackBytes = 32 * 1024;

[[nodiscard]] Result<Baseline> baseline_from_json(std::string_view text);
[[nodiscard]] std::string to_json(const Baseline& baseline);

// The medians of our own variants.
[[nodiscard]] Figures medians(const Report& report);

// One line per regression, per limit that is exceeded, and per recorded figure that is missing.
// Empty: nothing is wrong.
[[nodiscard]] std::vector<std::string> compare(const Baseline& baseline, const Figures& now);

}  // namespace anchorhold::bench
