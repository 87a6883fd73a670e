// Four panels of bars above one distribution; the same colours mean the same contenders.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "bench/proxy/report.h"

namespace anchorhold::bench {
namespace {

constexpr double kWidth = 880;
constexpr double kLeft = 110;
constexpr double kPanelPitch = 430;
constexpr double kBarWidth = 200;
constexpr double kBarPitch = 20;
constexpr double kBarHeight = 14;
constexpr double kCurveHeight = 200;
constexpr double kMebibyte = 1024.0 * 1024.0;

constexpr std::string_view kStyle = R"(<style>
.plot{font:12px system-ui,sans-serif;--ink:#1c2024;--soft:#5b6570;--grid:#d9dee3;--c0:#5b6570;--c1:#1666c0;--c2:#c2510c;--c3:#0b7d6b;--c4:#7a3fb0}
@media (prefers-color-scheme:dark){.plot{--ink:#e8ebee;--soft:#9aa5b1;--grid:#3a424b;--c0:#9aa5b1;--c1:#6cb0f5;--c2:#f2995c;--c3:#4fcab4;--c4:#c39af0}}
.ink{fill:var(--ink)}.soft{fill:var(--soft)}.title{font-size:16px;font-weight:600}.small{font-size:11px}
.grid{stroke:var(--grid);stroke-width:1}.curve{fill:none;stroke-width:2}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}.s4{stroke:var(--c4)}
.f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}
</style>
)";

struct Panel {
    std::string_view title;
    std::optional<uint64_t> ProxyFigures::*figure;
    double unit;
    int digits;
};

constexpr Panel kPanels[] = {
    {"requests per CPU-second", &ProxyFigures::requests_per_cpu_second, 1, 0},
    {"bulk MiB per CPU-second", &ProxyFigures::bulk_per_cpu_second, kMebibyte, 0},
    {"private MiB of an idle proxy", &ProxyFigures::idle_bytes, kMebibyte, 2},
    {"KiB for an idle connection, both legs", &ProxyFigures::connection_bytes, 1024, 1},
};

std::string text_at(double x, double y, std::string_view classes, std::string_view anchor,
                    std::string_view text) {
    return fmt::format(
        "<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", classes, x,
        y, anchor, text);
}

std::string panel(const ProxyReport& report, const Panel& what, double x, double y) {
    std::string svg = text_at(x - 100, y, "ink", "start", what.title);
    double largest = 1e-9;
    for (const ProxyFigures& one : report.contenders) {
        largest = std::max(largest, static_cast<double>((one.*what.figure).value_or(0)));
    }
    double top = y + 10;
    for (size_t i = 0; i < report.contenders.size(); ++i) {
        const auto value = report.contenders[i].*what.figure;
        if (!value) {
            continue;
        }
        const double width = static_cast<double>(*value) / largest * kBarWidth;
        svg += text_at(x - 8, top + 11, "soft small", "end", report.contenders[i].name);
        svg += fmt::format(
            "<rect class=\"f{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" "
            "rx=\"2\"/>\n",
            i, x, top, std::max(width, 1.0), kBarHeight);
        svg +=
            text_at(x + width + 6, top + 11, "ink small", "start",
                    fmt::format("{:.{}f}", static_cast<double>(*value) / what.unit, what.digits));
        top += kBarPitch;
    }
    return svg;
}

// Cut off where the slowest contender's 95th per cent lies: what is beyond is the host's doing.
double horizon(const ProxyReport& report) {
    uint64_t end = 1;
    for (const ProxyFigures& one : report.contenders) {
        const auto& samples = one.one_connection_samples;
        if (!samples.empty() && one.name != "mitmproxy") {
            end = std::max(end, percentile(samples, 95));
        }
    }
    return static_cast<double>(end);
}

std::string distribution(const ProxyReport& report, double top) {
    const double end = horizon(report);
    const double width = kWidth - kLeft - 30;
    std::string svg = text_at(10, top - 12, "ink", "start",
                              "one connection: share of answers that came at least this fast");
    for (const int percent : {0, 50, 100}) {
        const double y = top + kCurveHeight * (100 - percent) / 100;
        svg +=
            fmt::format("<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>\n",
                        kLeft, kLeft + width, y, y);
        svg += text_at(kLeft - 8, y + 4, "soft small", "end", fmt::format("{} %", percent));
    }
    constexpr int kLines = 5;
    for (int line = 0; line <= kLines; ++line) {
        svg += text_at(kLeft + width * line / kLines, top + kCurveHeight + 18, "soft small",
                       "middle", fmt::format("{:.0f} us", end * line / kLines / 1000));
    }
    for (size_t i = 0; i < report.contenders.size(); ++i) {
        const auto& samples = report.contenders[i].one_connection_samples;
        std::string path;
        for (size_t k = 0; k < samples.size(); ++k) {
            const double x = kLeft + static_cast<double>(samples[k]) / end * width;
            if (x > kLeft + width) {
                break;
            }
            path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x,
                                top + kCurveHeight * (1 - static_cast<double>(k + 1) /
                                                              static_cast<double>(samples.size())));
        }
        if (!path.empty()) {
            svg += fmt::format("<path class=\"curve s{}\" d=\"{}\"/>\n", i, path);
        }
        const double x = kLeft + static_cast<double>(i) * 150;
        svg += fmt::format(
            "<rect class=\"f{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"12\" "
            "rx=\"2\"/>\n",
            i, x, top + kCurveHeight + 30);
        svg += text_at(
            x + 18, top + kCurveHeight + 40, "ink small", "start",
            fmt::format("{}: {:.1f} us", report.contenders[i].name,
                        static_cast<double>(report.contenders[i].one_connection.p50) / 1000));
    }
    return svg;
}

}  // namespace

std::string proxy_svg(const ProxyReport& report) {
    const double panel_height = 40 + kBarPitch * static_cast<double>(report.contenders.size());
    const double curves = 70 + 2 * panel_height + 20;
    std::string svg = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {} {:.0f}\" "
        "role=\"img\">\n{}",
        kWidth, curves + kCurveHeight + 60, kStyle);
    svg += text_at(10, 24, "ink title", "start", "HTTPS through a proxy, answers of 1 KiB");
    svg += text_at(10, 42, "soft small", "start",
                   fmt::format("{}, Linux {}; {} connections", report.environment.version,
                               report.environment.kernel, report.request.connections));
    for (size_t i = 0; i < std::size(kPanels); ++i) {
        svg += panel(report, kPanels[i], kLeft + kPanelPitch * static_cast<double>(i % 2),
                     72 + panel_height * static_cast<double>(i / 2));
    }
    return svg + distribution(report, curves) + "</svg>\n";
}

}  // namespace anchorhold::bench
