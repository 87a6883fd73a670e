// A report as text for a terminal.
#pragma once

#include <string>

#include "bench/report.h"

namespace anchorhold::bench {

// One table per variant (minimum, median and 99th percentile of each phase, memory of the VMM),
// then the ratios of the medians to the first variant's. Times in milliseconds, named virtual where
// the clock was. Ends with a newline.
[[nodiscard]] std::string table(const Report& report);

}  // namespace anchorhold::bench
