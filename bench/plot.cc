// Lengths are in pixels of an 880 px wide picture, which scales with the page.
#include "bench/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace anchorhold::bench::plot {
namespace {

constexpr double kLegendTop = 52;
constexpr double kLegendPitch = 20;
constexpr size_t kLegendColumns = 2;

// Colours have enough contrast with the page on either ground; the class of a series is its number.
constexpr std::string_view kStyle = R"(<style>
.plot{font:12px system-ui,sans-serif;--ink:#1c2024;--soft:#5b6570;--grid:#d9dee3;--c0:#1666c0;--c1:#b84a08;--c2:#0b7466;--c3:#7a3fb0;--c4:#a12a5e;--c5:#5c6b00}
@media (prefers-color-scheme:dark){.plot{--ink:#e8ebee;--soft:#9aa5b1;--grid:#3a424b;--c0:#6cb0f5;--c1:#f2995c;--c2:#4fcab4;--c3:#c39af0;--c4:#f08ab4;--c5:#c3d15a}}
.ink{fill:var(--ink)}.soft{fill:var(--soft)}.title{font-size:16px;font-weight:600}.small{font-size:11px}
.grid{stroke:var(--grid);stroke-width:1}.goal{stroke:var(--ink);stroke-width:1;stroke-dasharray:5 4}.curve{fill:none;stroke-width:2}.inside{fill:var(--ink);font-size:11px}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}.s5{stroke:var(--c5)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}.f5{fill:var(--c5)}
</style>
)";

double curves_top(size_t series) {
    const size_t rows = (series + kLegendColumns - 1) / kLegendColumns;
    return kLegendTop + kLegendPitch * static_cast<double>(rows) + 8;
}

std::string grid(const Scale& scale, double top, std::string_view unit) {
    const double bottom = top + kCurveHeight;
    std::string text;
    const int lines = static_cast<int>(std::lround(scale.end / scale.step));
    for (int line = 0; line <= lines; ++line) {
        const double value = line * scale.step;
        const double x = scale.x(value);
        text += fmt::format(
            "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"/>\n", x, top,
            bottom);
        text += fmt::format(
            "<text class=\"soft small\" x=\"{:.1f}\" y=\"{}\" "
            "text-anchor=\"middle\">{:g}{}</text>\n",
            x, bottom + 16, value, line == lines ? fmt::format(" {}", unit) : "");
    }
    for (const int percent : {0, 50, 100}) {
        const double y = top + kCurveHeight * (100 - percent) / 100;
        text += fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n",
                            kLeft, kWidth - kRight, y, y);
        text += fmt::format(
            "<text class=\"soft small\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{} %</text>\n",
            kLeft - 8, y + 4, percent);
    }
    return text;
}

std::string curve(const std::vector<double>& values, const Scale& scale, double top,
                  size_t colour) {
    const double count = static_cast<double>(values.size());
    std::string path = fmt::format("M{:.1f} {:.1f}", scale.x(values.front()), top + kCurveHeight);
    std::string dots;
    for (size_t index = 0; index < values.size(); ++index) {
        const double x = scale.x(values[index]);
        const double y = top + kCurveHeight * (1 - static_cast<double>(index + 1) / count);
        path += fmt::format("H{:.1f}V{:.1f}", x, y);
        dots += fmt::format(
            "<circle class=\"f{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"><title>{:.2f} "
            "ms</title></circle>\n",
            colour, x, y, values[index]);
    }
    return fmt::format("<path class=\"curve s{}\" d=\"{}\"/>\n{}", colour, path, dots);
}

std::string legend(const Series& series, size_t position, std::string_view unit) {
    const double x = kLeft + static_cast<double>(position % kLegendColumns) * (kWidth - kLeft) / 2;
    const double y = kLegendTop + kLegendPitch * static_cast<double>(position / kLegendColumns);
    return fmt::format(
        "<rect class=\"f{}\" x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" rx=\"2\"/>"
        "<text class=\"ink\" x=\"{}\" y=\"{}\">{}: median {:.1f} {}</text>\n",
        position % kColours, x, y, x + 18, y + 10, escaped(series.label),
        series.values[(series.values.size() - 1) / 2], unit);
}

}  // namespace

std::string escaped(std::string_view text) {
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
            case '\'':
                result += "&#39;";
                break;
            default:
                result += static_cast<unsigned char>(character) < 0x20 ? ' ' : character;
        }
    }
    return result;
}

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
    scale.end = scale.step * std::max(1.0, std::ceil(largest / scale.step));
    return scale;
}

std::string begin(double height, std::string_view title, std::string_view subtitle) {
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {} {}\" "
               "role=\"img\" aria-label=\"{}\">\n",
               kWidth, height, escaped(title)) +
           std::string(kStyle) +
           fmt::format(
               "<text class=\"ink title\" x=\"64\" y=\"24\">{}</text>\n"
               "<text class=\"soft small\" x=\"64\" y=\"42\">{}</text>\n",
               escaped(title), escaped(subtitle));
}

std::string cumulative(const std::vector<Series>& series, const Scale& scale,
                       std::string_view unit) {
    const double top = curves_top(series.size());
    std::string svg = grid(scale, top, unit);
    for (size_t index = 0; index < series.size(); ++index) {
        if (!series[index].values.empty()) {
            svg += curve(series[index].values, scale, top, index % kColours);
            svg += legend(series[index], index, unit);
        }
    }
    return svg;
}

double cumulative_end(size_t series) {
    return curves_top(series) + kCurveHeight;
}

std::string cumulative_svg(std::string_view title, std::string_view subtitle, std::string_view unit,
                           const std::vector<Series>& series) {
    double largest = 0;
    for (const Series& one : series) {
        largest = std::max(largest, one.values.empty() ? 0 : one.values.back());
    }
    return begin(cumulative_end(series.size()) + 30, title, subtitle) +
           cumulative(series, scale_for(largest), unit) + "</svg>\n";
}

}  // namespace anchorhold::bench::plot
