// The distribution of a report's starts as one self-contained SVG.
#pragma once

#include <string>

#include "bench/report.h"

namespace anchorhold::bench {

// Cumulative distributions of "exec of the VMM to the agent's first instruction" (with warm starts
// among them: of "request to first byte"), one line and one dot a start per variant, with the
// medians named; below, the median parts of each variant's start as a bar. Readable on light and
// dark pages.
[[nodiscard]] std::string distribution_svg(const Report& report);

}  // namespace anchorhold::bench
