// Order statistics of a handful of samples.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace anchorhold::bench {

// Each is one of the samples (nearest rank), never a mean of two.
struct Summary {
    uint64_t min = 0;
    uint64_t p50 = 0;
    uint64_t p99 = 0;
    uint64_t max = 0;
};

// The smallest sample that at least `percent` (1 to 100) per cent of the samples do not exceed.
// `sorted` is not empty.
[[nodiscard]] uint64_t percentile(const std::vector<uint64_t>& sorted, unsigned percent);

// nullopt of no samples.
[[nodiscard]] std::optional<Summary> summarise(std::vector<uint64_t> samples);

}  // namespace anchorhold::bench
