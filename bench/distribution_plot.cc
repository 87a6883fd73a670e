// One x axis for both halves, from zero, so that lengths can be compared by eye.
#include "bench/distribution_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "bench/plot.h"

namespace anchorhold::bench {
namespace {

constexpr double kBarHeight = 26;
constexpr double kBarPitch = 52;
constexpr double kCharacter = 6.4;  // width of one, roughly, at 11 px
constexpr double kMillisecond = 1e6;

// What is compared: of boots what the VMM and the guest do, as others tell it; with warm ones among
// them the whole.
Phase compared(const Report& report) {
    return std::all_of(report.variants.begin(), report.variants.end(),
                       [](const VariantResult& variant) {
                           return variant.description.start == StartKind::kCold;
                       })
               ? Phase::kToAgent
               : Phase::kToFirstByte;
}

std::string title_of(Phase phase) {
    return phase == Phase::kToAgent ? "Exec of the VMM to the agent's first instruction"
                                    : "Request to the first byte of the answer";
}

plot::Series series_of(const VariantResult& variant, Phase phase) {
    plot::Series series{.label = title(variant.description), .values = {}};
    for (const Start& start : variant.starts) {
        if (const auto time = start.times[static_cast<size_t>(phase)]) {
            series.values.push_back(static_cast<double>(*time) / kMillisecond);
        }
    }
    std::sort(series.values.begin(), series.values.end());
    return series;
}

struct Segment {
    std::string_view key;
    double milliseconds;
};

// The parts that a VMM tells; of one that tells nothing about itself, everything before init as
// one.
std::vector<Segment> segments(const VariantResult& variant) {
    const bool told = variant.description.start != StartKind::kCold ||
                      summary_of(variant, Phase::kKernel).has_value();
    std::vector<Segment> result;
    for (const PhaseInfo& phase : phases()) {
        const bool wanted = phase.kind == PhaseInfo::Kind::kPart;
        const auto summary = wanted ? summary_of(variant, phase.phase) : std::nullopt;
        if (!told && phase.phase == Phase::kInit) {
            if (const auto to_init = summary_of(variant, Phase::kToInit)) {
                result.push_back(
                    {info(Phase::kToInit).key, static_cast<double>(to_init->p50) / kMillisecond});
            }
        }
        if (summary) {
            result.push_back({phase.key, static_cast<double>(summary->p50) / kMillisecond});
        }
    }
    return result;
}

double largest_of(const Report& report, const std::vector<plot::Series>& series) {
    double largest = 0;
    for (size_t index = 0; index < series.size(); ++index) {
        double sum = 0;
        for (const Segment& segment : segments(report.variants[index])) {
            sum += segment.milliseconds;
        }
        const auto& values = series[index].values;
        largest = std::max({largest, sum, values.empty() ? 0 : values.back()});
    }
    return largest;
}

std::string bar(const VariantResult& variant, const plot::Scale& scale, double y, size_t colour) {
    std::string text = fmt::format(
        "<text class=\"ink\" x=\"{}\" y=\"{}\">{}: medians of the parts, request to first "
        "byte</text>\n",
        plot::kLeft, y - 6, plot::escaped(title(variant.description)));
    double from = 0;
    bool strong = true;
    for (const Segment& segment : segments(variant)) {
        const double width = scale.x(from + segment.milliseconds) - scale.x(from);
        text += fmt::format(
            "<rect class=\"f{}\" x=\"{:.1f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" "
            "opacity=\"{}\"><title>{}: {:.2f} ms</title></rect>\n",
            colour, scale.x(from), y, std::max(width - 1, 0.3), kBarHeight, strong ? "0.5" : "0.3",
            segment.key, segment.milliseconds);
        const std::string label = fmt::format("{} {:.1f}", segment.key, segment.milliseconds);
        if (width > static_cast<double>(label.size()) * kCharacter) {
            text += fmt::format("<text class=\"inside\" x=\"{:.1f}\" y=\"{}\">{}</text>\n",
                                scale.x(from) + 4, y + 17, label);
        }
        from += segment.milliseconds;
        strong = !strong;
    }
    return text;
}

}  // namespace

std::string distribution_svg(const Report& report) {
    const std::string_view unit = report.environment.clock == kVirtualClock ? "virtual ms" : "ms";
    const Phase phase = compared(report);
    std::vector<plot::Series> series;
    for (const VariantResult& variant : report.variants) {
        series.push_back(series_of(variant, phase));
    }
    const plot::Scale scale = plot::scale_for(largest_of(report, series));
    const double curves_end = plot::cumulative_end(series.size());
    std::string svg = plot::begin(
        curves_end + 40 + kBarPitch * static_cast<double>(series.size()), title_of(phase),
        fmt::format("share of starts that were at least this fast; {} image, {} CPU, {} MiB; {}, "
                    "Linux {}",
                    report.work.image, report.work.cpus, report.work.memory_bytes >> 20,
                    report.environment.version, report.environment.kernel));
    svg += plot::cumulative(series, scale, unit);
    for (size_t index = 0; index < series.size(); ++index) {
        svg +=
            bar(report.variants[index], scale,
                curves_end + 50 + kBarPitch * static_cast<double>(index), index % plot::kColours);
    }
    return svg + "</svg>\n";
}

}  // namespace anchorhold::bench
