// A report as JSON, with every sample: `anchorhold bench start --json` writes it, `bench show` and
// `bench check` read it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "bench/report.h"

namespace anchorhold::bench {

constexpr int kReportFormat = 2;

// Times are nanoseconds under the keys of phases(); what a VMM does not tell is absent. Ends with a
// newline.
[[nodiscard]] std::string to_json(const Report& report);

// The inverse, but for the summaries, which are computed anew. Refuses other formats and wrong
// types, naming the field.
[[nodiscard]] Result<Report> report_from_json(std::string_view text);

}  // namespace anchorhold::bench
