// Columns are fixed: the widest title decides.
#include "bench/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace anchorhold::bench {
namespace {

constexpr double kMillisecond = 1e6;
constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr int kTitleWidth = 48;
constexpr int kColumnWidth = 9;
constexpr const char* kMemoryTitle = "VMM's private memory, idle";

std::string cells(std::string_view title, const Summary& summary, double unit) {
    return fmt::format("  {:<{}}{:>{}.2f}{:>{}.2f}{:>{}.2f}\n", title, kTitleWidth,
                       static_cast<double>(summary.min) / unit, kColumnWidth,
                       static_cast<double>(summary.p50) / unit, kColumnWidth,
                       static_cast<double>(summary.p99) / unit, kColumnWidth);
}

std::string_view milliseconds(const Report& report) {
    return report.environment.clock == kVirtualClock ? "virtual ms" : "ms";
}

std::string heading(const Report& report) {
    const Environment& at = report.environment;
    const Work& work = report.work;
    std::string command;
    for (const std::string& word : work.command) {
        command += (command.empty() ? "" : " ") + word;
    }
    return fmt::format(
        "{} image, {} CPU{}, {} MiB, disk {} MiB, command: {}\n"
        "{}, Linux {}, {} ({}), tick {} ms, phases of it {}, RCU {}\n",
        work.image, work.cpus, work.cpus == 1 ? "" : "s", work.memory_bytes >> 20,
        work.disk_bytes >> 20, command, at.version, at.kernel, at.cpu, at.kvm,
        static_cast<double>(at.tick_ns) / kMillisecond, work.tick_phases, at.rcu);
}

std::string counter_lines(const VariantResult& variant) {
    std::string text;
    for (const auto& [name, summary] : counters_of(variant)) {
        if (summary.p50 != 0) {
            text += fmt::format("  {:<{}}{:>{}}{:>{}}{:>{}}\n", name, kTitleWidth, summary.min,
                                kColumnWidth, summary.p50, kColumnWidth, summary.p99, kColumnWidth);
        }
    }
    return text.empty() ? text : "\n" + text;
}

std::string variant_table(const Report& report, const VariantResult& variant) {
    std::string text =
        fmt::format("\n{:<{}}{:>{}}{:>{}}{:>{}}\n",
                    fmt::format("{}, {} starts, {}", title(variant.description),
                                variant.starts.size(), milliseconds(report)),
                    kTitleWidth + 2, "min", kColumnWidth, "p50", kColumnWidth, "p99", kColumnWidth);
    PhaseInfo::Kind kind = PhaseInfo::Kind::kPart;
    for (const PhaseInfo& phase : phases()) {
        if (phase.kind != kind) {
            kind = phase.kind;
            text += "\n";
        }
        if (const auto summary = summary_of(variant, phase.phase)) {
            text += cells(phase.title, *summary, kMillisecond);
        }
    }
    if (const auto memory = memory_of(variant)) {
        text += cells(fmt::format("{}, MiB", kMemoryTitle), *memory, kMebibyte);
    }
    if (variant.late != 0) {
        text += fmt::format(
            "  {} of its starts never answered and began again: not counted above\n", variant.late);
    }
    return text + counter_lines(variant);
}

std::string rush_table(const Report& report) {
    std::string text = fmt::format(
        "\n{:<{}}{:>{}}{:>{}}{:>{}}\n",
        fmt::format("asked for at once, request to first byte, {}", milliseconds(report)),
        kTitleWidth + 2, "min", kColumnWidth, "p50", kColumnWidth, "p99", kColumnWidth);
    for (const Rush& rush : report.rushes) {
        const std::string name = fmt::format("{} {}, {} answered", rush.count, word(rush.start),
                                             rush.to_first_byte.size());
        const auto summary = summarise(rush.to_first_byte);
        text += summary ? cells(name, *summary, kMillisecond) : fmt::format("  {}\n", name);
        text += rush.error.empty() ? "" : fmt::format("    {}\n", rush.error);
    }
    return text;
}

double per_sandbox(uint64_t bytes, const IdleCrowd& crowd) {
    return static_cast<double>(bytes) / kMebibyte / std::max(crowd.answered, 1U);
}

std::string idle_table(const Report& report) {
    std::string text = fmt::format(
        "\n{:<{}}{:>{}}{:>{}}{:>{}}\n", "idle after one answer, MiB for each, guest included",
        kTitleWidth + 2, "private", kColumnWidth, "PSS", kColumnWidth, "host", kColumnWidth);
    for (const IdleCrowd& crowd : report.idle) {
        text += fmt::format(
            "  {:<{}}{:>{}.2f}{:>{}.2f}{:>{}.2f}\n",
            fmt::format("{} {}, {} answered", crowd.count, word(crowd.start), crowd.answered),
            kTitleWidth, per_sandbox(crowd.private_bytes, crowd), kColumnWidth,
            per_sandbox(crowd.pss_bytes, crowd), kColumnWidth,
            per_sandbox(crowd.available_fall, crowd), kColumnWidth);
        text += crowd.error.empty() ? "" : fmt::format("    {}\n", crowd.error);
    }
    return text + "  host: the fall of MemAvailable divided by their number\n";
}

std::string ratio_line(std::string_view title, const Summary& ours, const Summary& theirs,
                       double unit) {
    const double own = static_cast<double>(ours.p50);
    const double other = static_cast<double>(theirs.p50);
    return fmt::format("  {:<{}}{:>{}.2f}{:>{}.2f}{:>{}}\n", title, kTitleWidth, own / unit,
                       kColumnWidth, other / unit, kColumnWidth,
                       own > 0 ? fmt::format("{:.2f}x", other / own) : std::string("-"),
                       kColumnWidth);
}

std::string ratio_table(const Report& report, const VariantResult& ours,
                        const VariantResult& theirs) {
    std::string text = fmt::format(
        "\n{:<{}}{:>{}}{:>{}}{:>{}}\n",
        fmt::format("{} against {}, medians, {}", title(theirs.description),
                    title(ours.description), milliseconds(report)),
        kTitleWidth + 2, "ours", kColumnWidth, "theirs", kColumnWidth, "ratio", kColumnWidth);
    for (const PhaseInfo& phase : phases()) {
        const auto own = summary_of(ours, phase.phase);
        const auto other = summary_of(theirs, phase.phase);
        if (own && other) {
            text += ratio_line(phase.title, *own, *other, kMillisecond);
        }
    }
    const auto own = memory_of(ours);
    const auto other = memory_of(theirs);
    if (own && other) {
        text += ratio_line(fmt::format("{}, MiB", kMemoryTitle), *own, *other, kMebibyte);
    }
    return text;
}

}  // namespace

std::string table(const Report& report) {
    std::string text = heading(report);
    for (const VariantResult& variant : report.variants) {
        text += variant_table(report, variant);
    }
    text += report.rushes.empty() ? "" : rush_table(report);
    text += report.idle.empty() ? "" : idle_table(report);
    for (size_t index = 1; index < report.variants.size(); ++index) {
        text += ratio_table(report, report.variants.front(), report.variants[index]);
    }
    return text;
}

}  // namespace anchorhold::bench
