// A report as one HTML file that people can hand on: nothing is loaded, no script runs.
#pragma once

#include <string>

#include "bench/report.h"

namespace anchorhold::bench {

// What was measured and on what, the figures as tables and pictures, and how to measure again. All
// text from outside is escaped. Readable without colours, on light and dark screens and on paper.
[[nodiscard]] std::string html(const Report& report);

}  // namespace anchorhold::bench
