// What all pictures of the bench are made of: SVG with its own style, readable on light and dark
// pages, nothing from outside.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace anchorhold::bench::plot {

constexpr double kWidth = 880;
constexpr double kLeft = 64;
constexpr double kRight = 24;
constexpr double kCurveHeight = 240;
constexpr size_t kColours = 6;  // classes f0 (fill) and s0 (stroke) to f5 and s5

// For text and attributes of XML and HTML; control characters become blanks.
[[nodiscard]] std::string escaped(std::string_view text);

// From zero; grid lines at round numbers.
struct Scale {
    double step = 1;  // between grid lines
    double end = 1;   // the last grid line

    [[nodiscard]] double x(double value) const {
        return kLeft + value / end * (kWidth - kLeft - kRight);
    }
};
[[nodiscard]] Scale scale_for(double largest);

// The opening tag, the style, title and subtitle (plain text). The caller closes it.
[[nodiscard]] std::string begin(double height, std::string_view title, std::string_view subtitle);

struct Series {
    std::string label;           // plain text
    std::vector<double> values;  // ascending
};

// Cumulative distributions: a legend with the medians, a grid, one line for each series that has
// values and one dot for each value. Begins below the subtitle.
[[nodiscard]] std::string cumulative(const std::vector<Series>& series, const Scale& scale,
                                     std::string_view unit);
// Where that ends.
[[nodiscard]] double cumulative_end(size_t series);

// A whole picture of that.
[[nodiscard]] std::string cumulative_svg(std::string_view title, std::string_view subtitle,
                                         std::string_view unit, const std::vector<Series>& series);

}  // namespace anchorhold::bench::plot
