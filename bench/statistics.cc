// Nearest rank: rank = ceil(percent / 100 * n), counted from 1.
#include "bench/statistics.h"

#include <algorithm>

#include "base/check.h"

namespace anchorhold::bench {

uint64_t percentile(const std::vector<uint64_t>& sorted, unsigned percent) {
    ANCHORHOLD_CHECK(!sorted.empty() && percent >= 1 && percent <= 100);
    const size_t rank = (sorted.size() * percent + 99) / 100;
    return sorted[rank - 1];
}

std::optional<Summary> summarise(std::vector<uint64_t> samples) {
    if (samples.empty()) {
        return std::nullopt;
    }
    std::sort(samples.begin(), samples.end());
    return Summary{.min = samples.front(),
                   .p50 = percentile(samples, 50),
                   .p99 = percentile(samples, 99),
                   .max = samples.back()};
}

}  // namespace anchorhold::bench
