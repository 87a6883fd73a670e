// The file is written by people's hands too: limits are kept when medians are recorded anew.
#include "bench/baseline.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

namespace anchorhold::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kMemoryKey = "vmm_private_bytes";

bool is_memory(std::string_view key) {
    return key.ends_with(kMemoryKey);
}

std::string shown(std::string_view key, uint64_t value) {
    return is_memory(key) ? fmt::format("{} KiB", value / 1024)
                          : fmt::format("{:.2f} ms", static_cast<double>(value) / 1e6);
}

bool regressed(std::string_view key, uint64_t recorded, uint64_t now) {
    const uint64_t slack = is_memory(key) ? kSlackBytes : kSlackNanoseconds;
    return now > recorded && now - recorded > recorded / 100 * kTolerancePercent &&
           now - recorded > slack;
}

}  // namespace

Result<Baseline> baseline_from_json(std::string_view text) {
    // nlohmann's accessors throw on a missing field or a wrong type; nothing else here does.
    try {
        const Json json = Json::parse(text);
        Baseline baseline;
        json.at("medians").get_to(baseline.medians);
        json.at("limits").get_to(baseline.limits);
        json.at("stopwatch").get_to(baseline.stopwatch);
        return baseline;
    } catch (const nlohmann::json::exception& wrong) {
        return fail(fmt::format("baseline: {}", wrong.what()));
    }
}

std::string to_json(const Baseline& baseline) {
    const Json json = {{"medians", baseline.medians},
                       {"limits", baseline.limits},
                       {"stopwatch", baseline.stopwatch}};
    return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

Figures medians(const Report& report) {
    Figures figures;
    for (const VariantResult& variant : report.variants) {
        if (variant.description.name != kOurName) {
            continue;
        }
        const StartKind kind = variant.description.start;
        const std::string prefix =
            kind == StartKind::kCold ? std::string() : std::string(word(kind)) + ".";
        for (const PhaseInfo& phase : phases()) {
            if (const auto summary = summary_of(variant, phase.phase)) {
                figures[prefix + std::string(phase.key)] = summary->p50;
            }
        }
        if (const auto memory = memory_of(variant)) {
            figures[prefix + std::string(kMemoryKey)] = memory->p50;
        }
    }
    return figures;
}

std::vector<std::string> compare(const Baseline& baseline, const Figures& now) {
    std::vector<std::string> wrong;
    for (const auto& [key, recorded] : baseline.medians) {
        const auto found = now.find(key);
        if (found == now.end()) {
            wrong.push_back(
                fmt::format("{}: no figure, but the baseline has {}", key, shown(key, recorded)));
        } else if (regressed(key, recorded, found->second)) {
            wrong.push_back(fmt::format("{}: {} is {:.1f} % more than the baseline's {}", key,
                                        shown(key, found->second),
                                        100.0 * static_cast<double>(found->second - recorded) /
                                            static_cast<double>(std::max<uint64_t>(recorded, 1)),
                                        shown(key, recorded)));
        }
    }
    for (const auto& [key, limit] : baseline.limits) {
        const auto found = now.find(key);
        if (found == now.end()) {
            wrong.push_back(
                fmt::format("{}: no figure, but it has a limit of {}", key, shown(key, limit)));
        } else if (found->second > limit) {
            wrong.push_back(fmt::format("{}: {} is over the limit of {}", key,
                                        shown(key, found->second), shown(key, limit)));
        }
    }
    return wrong;
}

}  // namespace anchorhold::bench
