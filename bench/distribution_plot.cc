// One x axis for both halves, from zero, so that lengths can be compared by eye.
#include "bench/distribution_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

namespace anchorhold::bench {
namespace {

constexpr double kWidth = 880;
constexpr double kLeft = 64;
constexpr double kRight = 24;
constexpr double kTop = 78;
constexpr double kCurveHeight = 240;
constexpr double kBarHeight = 26;
constexpr double kBarPitch = 52;
constexpr double kCharacter = 6.4;  // width of one, roughly, at 11 px
constexpr size_t kColours = 4;
constexpr double kMillisecond = 1e6;

// Colours have enough contrast with the page on either ground; the class of a variant is its
// number.
constexpr std::string_view kStyle = R"(<style>
.plot{font:12px system-ui,sans-serif;--ink:#1c2024;--soft:#5b6570;--grid:#d9dee3;--c0:#1666c0;--c1:#c2510c;--c2:#0b7d6b;--c3:#7a3fb0}
@media (prefers-color-scheme:dark){.plot{--ink:#e8ebee;--soft:#9aa5b1;--grid:#3a424b;--c0:#6cb0f5;--c1:#f2995c;--c2:#4fcab4;--c3:#c39af0}}
.ink{fill:var(--ink)}.soft{fill:var(--soft)}.title{font-size:16px;font-weight:600}.small{font-size:11px}
.grid{stroke:var(--grid);stroke-width:1}.curve{fill:none;stroke-width:2}.inside{fill:var(--ink);font-size:11px}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}
</style>
)";

std::string escaped_xml(std::string_view text) {
    std::string result;
    for (const char character : text) {
        switch (character) {
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '&':
                result += "&amp;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += static_cast<unsigned char>(character) < 0x20 ? ' ' : character;
        }
    }
    return result;
}

struct Scale {
    double step = 1;  // milliseconds between grid lines
    double end = 1;   // the last grid line

    [[nodiscard]] double x(double milliseconds) const {
        return kLeft + milliseconds / end * (kWidth - kLeft - kRight);
    }
};

// The smallest of 1, 2, 5, 10, 20, … that cuts the range into at most ten.
Scale scale_for(double largest) {
    const double rough = std::max(largest, 0.001) / 10;
    const double magnitude = std::pow(10, std::floor(std::log10(rough)));
    Scale scale{.step = 10 * magnitude, .end = 0};
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor * magnitude >= rough) {
            scale.step = factor * magnitude;
            break;
        }
    }
    scale.end = scale.step * std::ceil(largest / scale.step);
    return scale;
}

std::vector<double> sorted_times(const VariantResult& variant, Phase phase) {
    std::vector<double> times;
    for (const Start& start : variant.starts) {
        if (const auto time = start.times[static_cast<size_t>(phase)]) {
            times.push_back(static_cast<double>(*time) / kMillisecond);
        }
    }
    std::sort(times.begin(), times.end());
    return times;
}

struct Segment {
    std::string_view key;
    double milliseconds;
};

// The parts that a VMM tells; of one that tells nothing about itself, everything before init as
// one.
std::vector<Segment> segments(const VariantResult& variant) {
    constexpr std::array kTold = {
        Phase::kPrepare, Phase::kSpawn,  Phase::kCreateVm, Phase::kCreate, Phase::kLoad,
        Phase::kEnter,   Phase::kKernel, Phase::kInit,     Phase::kExec,   Phase::kFirstByte};
    constexpr std::array kUntold = {Phase::kPrepare, Phase::kToInit, Phase::kInit, Phase::kExec,
                                    Phase::kFirstByte};
    const bool told = summary_of(variant, Phase::kKernel).has_value();
    std::vector<Segment> result;
    for (const Phase phase :
         told ? std::span<const Phase>(kTold) : std::span<const Phase>(kUntold)) {
        if (const auto summary = summary_of(variant, phase)) {
            result.push_back({info(phase).key, static_cast<double>(summary->p50) / kMillisecond});
        }
    }
    return result;
}

double largest_of(const Report& report) {
    double largest = 0;
    for (const VariantResult& variant : report.variants) {
        const auto times = sorted_times(variant, Phase::kToAgent);
        largest = std::max(largest, times.empty() ? 0 : times.back());
        double sum = 0;
        for (const Segment& segment : segments(variant)) {
            sum += segment.milliseconds;
        }
        largest = std::max(largest, sum);
    }
    return largest;
}

std::string grid(const Scale& scale, double bottom, std::string_view unit) {
    std::string text;
    const int lines = static_cast<int>(std::lround(scale.end / scale.step));
    for (int line = 0; line <= lines; ++line) {
        const double value = line * scale.step;
        const double x = scale.x(value);
        text += fmt::format(
            "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>\n", x, kTop,
            bottom);
        text += fmt::format(
            "<text class=\"soft small\" x=\"{:.1f}\" y=\"{}\" "
            "text-anchor=\"middle\">{:g}{}</text>\n",
            x, bottom + 16, value, line == lines ? fmt::format(" {}", unit) : "");
    }
    for (const int percent : {0, 50, 100}) {
        const double y = kTop + kCurveHeight * (100 - percent) / 100;
        text += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n",
                            kLeft, kWidth - kRight, y, y);
        text += fmt::format(
            "<text class=\"soft small\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{} %</text>\n",
            kLeft - 8, y + 4, percent);
    }
    return text;
}

std::string curve(const std::vector<double>& times, const Scale& scale, size_t colour) {
    const double count = static_cast<double>(times.size());
    std::string path = fmt::format("M{:.1f} {:.1f}", scale.x(times.front()), kTop + kCurveHeight);
    std::string dots;
    for (size_t index = 0; index < times.size(); ++index) {
        const double x = scale.x(times[index]);
        const double y = kTop + kCurveHeight * (1 - static_cast<double>(index + 1) / count);
        path += fmt::format("H{:.1f}V{:.1f}", x, y);
        dots += fmt::format(
            "<circle class=\"f{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"><title>{:.2f} "
            "ms</title></circle>\n",
            colour, x, y, times[index]);
    }
    return fmt::format("<path class=\"curve s{}\" d=\"{}\"/>\n{}", colour, path, dots);
}

std::string legend(const VariantResult& variant, const std::vector<double>& times, size_t position,
                   std::string_view unit) {
    const double x = kLeft + static_cast<double>(position) * 270;
    return fmt::format(
        "<rect class=\"f{}\" x=\"{}\" y=\"52\" width=\"12\" height=\"12\" rx=\"2\"/>"
        "<text class=\"ink\" x=\"{}\" y=\"62\">{}: median {:.1f} {}</text>\n",
        position % kColours, x, x + 18, escaped_xml(variant.description.name),
        times[(times.size() - 1) / 2], unit);
}

std::string bar(const VariantResult& variant, const Scale& scale, double y, size_t colour) {
    std::string text = fmt::format(
        "<text class=\"ink\" x=\"{}\" y=\"{}\">{}: medians of the parts, request to first "
        "byte</text>\n",
        kLeft, y - 6, escaped_xml(variant.description.name));
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
    const std::string_view unit = report.environment.clock == "virtual" ? "virtual ms" : "ms";
    const Scale scale = scale_for(largest_of(report));
    const double curves_end = kTop + kCurveHeight;
    const double height = curves_end + 40 + kBarPitch * static_cast<double>(report.variants.size());
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {} {}\" "
        "role=\"img\">\n",
        kWidth, height);
    svg += kStyle;
    svg +=
        "<text class=\"ink title\" x=\"64\" y=\"24\">Exec of the VMM to the agent's first "
        "instruction</text>\n";
    svg += fmt::format(
        "<text class=\"soft small\" x=\"64\" y=\"42\">share of starts that were at least this "
        "fast; {} image, {} CPU, {} MiB; {}, Linux {}</text>\n",
        escaped_xml(report.work.image), report.work.cpus, report.work.memory_bytes >> 20,
        escaped_xml(report.environment.version), escaped_xml(report.environment.kernel));
    svg += grid(scale, curves_end, unit);
    for (size_t index = 0; index < report.variants.size(); ++index) {
        const VariantResult& variant = report.variants[index];
        const auto times = sorted_times(variant, Phase::kToAgent);
        if (!times.empty()) {
            svg += curve(times, scale, index % kColours);
            svg += legend(variant, times, index, unit);
        }
        svg += bar(variant, scale, curves_end + 50 + kBarPitch * static_cast<double>(index),
                   index % kColours);
    }
    return svg + "</svg>\n";
}

}  // namespace anchorhold::bench
