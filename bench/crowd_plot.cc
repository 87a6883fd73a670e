// Bars start at zero; each has its value beside it, so that nothing has to be read off the axis.
#include "bench/crowd_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "bench/plot.h"

namespace anchorhold::bench {
namespace {

constexpr double kMillisecond = 1e6;
constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr double kBarHeight = 16;
constexpr double kGroupGap = 18;
constexpr double kTop = 92;
constexpr std::array<std::string_view, 3> kMeasures = {
    "private, its own pages alone", "PSS, its share of all it uses",
    "host, fall of MemAvailable divided by their number"};
constexpr double kGroupHeight = kMeasures.size() * kBarHeight + kGroupGap;

std::array<double, 3> values_of(const IdleCrowd& crowd) {
    const MemoryShare share = share_of(crowd);
    return {share.private_mib, share.pss_mib, share.host_mib};
}

std::string memory_legend() {
    std::string text;
    double x = plot::kLeft;
    for (size_t index = 0; index < kMeasures.size(); ++index) {
        text += fmt::format(
            "<rect class=\"f{}\" x=\"{}\" y=\"56\" width=\"12\" height=\"12\" rx=\"2\"/>"
            "<text class=\"ink\" x=\"{}\" y=\"66\">{}</text>\n",
            index, x, x + 18, kMeasures[index]);
        x += 225;
    }
    return text;
}

std::string memory_group(const IdleCrowd& crowd, const plot::Scale& scale, double y) {
    std::string text =
        fmt::format("<text class=\"ink\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                    plot::kLeft - 8, y + kBarHeight * 2 - 4, crowd.count);
    const auto values = values_of(crowd);
    for (size_t index = 0; index < values.size(); ++index) {
        const double top = y + kBarHeight * static_cast<double>(index);
        const double width = scale.x(values[index]) - plot::kLeft;
        text += fmt::format(
            "<rect class=\"f{}\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\"/>"
            "<text class=\"ink small\" x=\"{:.1f}\" y=\"{}\">{:.2f}</text>\n",
            index, plot::kLeft, top, std::max(width, 0.5), kBarHeight - 2, plot::kLeft + width + 6,
            top + kBarHeight - 4, values[index]);
    }
    return text;
}

}  // namespace

MemoryShare share_of(const IdleCrowd& crowd) {
    const double each = kMebibyte * std::max(crowd.answered, 1U);
    return {.private_mib = static_cast<double>(crowd.private_bytes) / each,
            .pss_mib = static_cast<double>(crowd.pss_bytes) / each,
            .host_mib = static_cast<double>(crowd.available_fall) / each};
}

MemoryShare share_of_one_more(const IdleCrowd& smaller, const IdleCrowd& larger) {
    const double more = static_cast<double>(larger.answered) - smaller.answered;
    const double each = kMebibyte * std::max(more, 1.0);
    const auto difference = [each](uint64_t less, uint64_t greater) {
        return (static_cast<double>(greater) - static_cast<double>(less)) / each;
    };
    return {.private_mib = difference(smaller.private_bytes, larger.private_bytes),
            .pss_mib = difference(smaller.pss_bytes, larger.pss_bytes),
            .host_mib = difference(smaller.available_fall, larger.available_fall)};
}

std::vector<std::string> rush_svgs(const Report& report) {
    const std::string_view unit = report.environment.clock == kVirtualClock ? "virtual ms" : "ms";
    std::vector<std::string> pictures;
    for (const StartKind kind : {StartKind::kCold, StartKind::kRestored, StartKind::kShell,
                                 StartKind::kParked, StartKind::kForked}) {
        std::vector<plot::Series> series;
        for (const Rush& rush : report.rushes) {
            if (rush.start != kind) {
                continue;
            }
            plot::Series one{.label = fmt::format("{} at once", rush.count), .values = {}};
            for (const uint64_t time : rush.to_first_byte) {
                one.values.push_back(static_cast<double>(time) / kMillisecond);
            }
            series.push_back(std::move(one));
        }
        if (!series.empty()) {
            pictures.push_back(plot::cumulative_svg(
                fmt::format("Asked for at once: {}", word(kind)),
                "share of sandboxes whose first byte had arrived, from the moment that all were "
                "asked for",
                unit, series));
        }
    }
    return pictures;
}

std::string memory_svg(const Report& report) {
    if (report.idle.empty()) {
        return {};
    }
    double largest = kPrivateGoalMib;
    for (const IdleCrowd& crowd : report.idle) {
        const auto values = values_of(crowd);
        largest = std::max(largest, *std::max_element(values.begin(), values.end()));
    }
    // Room for the value beside the longest bar.
    const plot::Scale scale = plot::scale_for(largest * 1.06);
    const double bottom = kTop + kGroupHeight * static_cast<double>(report.idle.size());
    std::string svg =
        plot::begin(bottom + 30, "Memory of one idle sandbox, by how many there are",
                    "MiB, guest and all processes, after one answer; rows: number of sandboxes");
    svg += memory_legend();
    double y = kTop;
    for (const IdleCrowd& crowd : report.idle) {
        svg += memory_group(crowd, scale, y);
        y += kGroupHeight;
    }
    const double goal = scale.x(kPrivateGoalMib);
    svg += fmt::format(
        "<line class=\"goal\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>"
        "<text class=\"soft small\" x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4:g} MiB: the "
        "goal for one more, private</text>\n",
        goal, kTop - 6, bottom, bottom + 16, kPrivateGoalMib);
    return svg + "</svg>\n";
}

}  // namespace anchorhold::bench
