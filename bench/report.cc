// Columns out of rows.
#include "bench/report.h"

#include <optional>

namespace anchorhold::bench {

std::optional<Summary> summary_of(const VariantResult& variant, Phase phase) {
    std::vector<uint64_t> samples;
    for (const Start& start : variant.starts) {
        if (const auto time = start.times[static_cast<size_t>(phase)]) {
            samples.push_back(*time);
        }
    }
    return summarise(std::move(samples));
}

std::optional<Summary> memory_of(const VariantResult& variant) {
    std::vector<uint64_t> samples;
    for (const Start& start : variant.starts) {
        samples.push_back(start.vmm_private_bytes);
    }
    return summarise(std::move(samples));
}

std::map<std::string, Summary> counters_of(const VariantResult& variant) {
    std::map<std::string, std::vector<uint64_t>> samples;
    for (const Start& start : variant.starts) {
        for (const auto& [name, value] : start.counters) {
            samples[name].push_back(value);
        }
    }
    std::map<std::string, Summary> summaries;
    for (auto& [name, values] : samples) {
        values.resize(variant.starts.size(), 0);
        if (const auto summary = summarise(std::move(values))) {
            summaries[name] = *summary;
        }
    }
    return summaries;
}

}  // namespace anchorhold::bench
