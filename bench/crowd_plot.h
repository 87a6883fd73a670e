// Pictures of many sandboxes at once.
#pragma once

#include <string>
#include <vector>

#include "bench/report.h"

namespace anchorhold::bench {

// For each kind of start that was rushed, one SVG: cumulative distributions of "request to first
// byte", one line for each number of sandboxes.
[[nodiscard]] std::vector<std::string> rush_svgs(const Report& report);

// Memory for each idle sandbox against their number: private, PSS, and the host's MemAvailable, as
// bars with their values, and a line at the goal for private memory. Empty where nothing was
// measured.
[[nodiscard]] std::string memory_svg(const Report& report);

// What one of a crowd holds, in MiB.
struct MemoryShare {
    double private_mib = 0;
    double pss_mib = 0;
    double host_mib = 0;  // the fall of MemAvailable
};
[[nodiscard]] MemoryShare share_of(const IdleCrowd& crowd);
// What one more holds: the difference of two crowds, divided by that of their numbers. `larger` is
// larger.
[[nodiscard]] MemoryShare share_of_one_more(const IdleCrowd& smaller, const IdleCrowd& larger);

// The private memory that one more idle sandbox may hold.
constexpr double kPrivateGoalMib = 4;

}  // namespace anchorhold::bench
