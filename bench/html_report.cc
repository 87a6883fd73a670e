// From what is asked most to what is asked least.
#include "bench/html_report.h"

#include <fmt/format.h>

#include <set>
#include <string_view>

#include "bench/crowd_plot.h"
#include "bench/distribution_plot.h"
#include "bench/html_page.h"
#include "bench/plot.h"

namespace anchorhold::bench {
namespace {

using page::Table;
using plot::escaped;

constexpr double kMillisecond = 1e6;
constexpr double kMebibyte = 1024.0 * 1024.0;

std::string_view unit_of(const Report& report) {
    return report.environment.clock == kVirtualClock ? "virtual ms" : "ms";
}

std::string milliseconds(uint64_t nanoseconds) {
    return fmt::format("{:.2f}", static_cast<double>(nanoseconds) / kMillisecond);
}

std::string joined(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, " "));
}

std::string cards(const Report& report) {
    std::string text = "<ul class=\"cards\">\n";
    for (const VariantResult& variant : report.variants) {
        if (const auto whole = summary_of(variant, Phase::kToFirstByte)) {
            text += fmt::format(
                "<li><strong>{}</strong>{}<br><span class=\"soft\">{}</span></li>\n",
                milliseconds(whole->p50), escaped(title(variant.description)), unit_of(report));
        }
    }
    return text +
           "</ul>\n<p class=\"soft\">Medians, from the request to the first byte of the "
           "command's answer, page faults included.</p>\n";
}

std::string surroundings(const Report& report) {
    const Environment& at = report.environment;
    const Work& work = report.work;
    Table table{.caption = "What was started, and on what", .columns = {"", "value"}, .rows = {}};
    table.rows = {
        {"image", work.image},
        {"processors and memory of a sandbox",
         fmt::format("{} CPU, {} MiB, disk {} MiB", work.cpus, work.memory_bytes >> 20,
                     work.disk_bytes >> 20)},
        {"command", joined(work.command)},
        {"host", fmt::format("{}, {} processors, Linux {}", at.cpu, at.processors, at.kernel)},
        {"KVM", at.kvm},
        {"clock",
         at.clock == kVirtualClock ? "virtual: one instruction is one nanosecond" : at.clock},
        {"host's tick",
         fmt::format("{} ms; starts begin at phases of it {}",
                     static_cast<double>(at.tick_ns) / kMillisecond, work.tick_phases)},
        {"RCU", at.rcu},
        {"version", at.version},
    };
    return page::html(table);
}

std::string distribution(const Report& report) {
    Table table{.caption = fmt::format("Request to first byte, {}", unit_of(report)),
                .columns = {"", "starts", "min", "median", "p99", "max"},
                .rows = {}};
    for (const VariantResult& variant : report.variants) {
        if (const auto whole = summary_of(variant, Phase::kToFirstByte)) {
            table.rows.push_back({title(variant.description), std::to_string(variant.starts.size()),
                                  milliseconds(whole->min), milliseconds(whole->p50),
                                  milliseconds(whole->p99), milliseconds(whole->max)});
        }
    }
    return page::html(table) + distribution_svg(report);
}

Table by_variant(const Report& report, std::string caption) {
    Table table{.caption = std::move(caption), .columns = {""}, .rows = {}};
    for (const VariantResult& variant : report.variants) {
        table.columns.push_back(title(variant.description));
    }
    return table;
}

std::string phase_table(const Report& report) {
    Table table = by_variant(
        report, fmt::format("Medians of the phases, {}; they follow one another", unit_of(report)));
    for (const PhaseInfo& phase : phases()) {
        std::vector<std::string> row = {std::string(phase.title)};
        bool any = false;
        for (const VariantResult& variant : report.variants) {
            const auto summary = summary_of(variant, phase.phase);
            any = any || summary;
            row.push_back(summary ? milliseconds(summary->p50) : "–");
        }
        if (any) {
            table.rows.push_back(std::move(row));
        }
    }
    std::vector<std::string> memory = {"VMM's private memory beside its guest, MiB"};
    for (const VariantResult& variant : report.variants) {
        const auto summary = memory_of(variant);
        memory.push_back(
            summary ? fmt::format("{:.2f}", static_cast<double>(summary->p50) / kMebibyte) : "–");
    }
    table.rows.push_back(std::move(memory));
    return page::html(table);
}

std::string counter_table(const Report& report) {
    std::set<std::string> names;
    for (const VariantResult& variant : report.variants) {
        for (const auto& [name, summary] : counters_of(variant)) {
            if (summary.p50 != 0) {
                names.insert(name);
            }
        }
    }
    if (names.empty()) {
        return {};
    }
    Table table =
        by_variant(report, "Medians of what was counted, from the request to the first byte");
    for (const std::string& name : names) {
        std::vector<std::string> row = {name};
        for (const VariantResult& variant : report.variants) {
            const auto counters = counters_of(variant);
            const auto found = counters.find(name);
            row.push_back(found == counters.end() ? "–" : std::to_string(found->second.p50));
        }
        table.rows.push_back(std::move(row));
    }
    return page::html(table);
}

std::string concurrency(const Report& report) {
    Table table{.caption = fmt::format("Request of all to first byte of each, {}", unit_of(report)),
                .columns = {"", "at once", "answered", "min", "median", "p99", "max"},
                .rows = {}};
    std::string failures;
    for (const Rush& rush : report.rushes) {
        const Summary summary = summarise(rush.to_first_byte).value_or(Summary{});
        table.rows.push_back({std::string(word(rush.start)), std::to_string(rush.count),
                              std::to_string(rush.to_first_byte.size()), milliseconds(summary.min),
                              milliseconds(summary.p50), milliseconds(summary.p99),
                              milliseconds(summary.max)});
        failures += rush.error.empty() ? "" : fmt::format("<p>{}</p>\n", escaped(rush.error));
    }
    std::string text = page::html(table) + failures;
    for (const std::string& picture : rush_svgs(report)) {
        text += picture;
    }
    return text;
}

std::string memory(const Report& report) {
    Table table{
        .caption =
            "MiB for each idle sandbox; in parentheses what one more holds, against the row above",
        .columns = {"", "answered", "private", "PSS", "fall of MemAvailable"},
        .rows = {}};
    std::string failures;
    const IdleCrowd* former = nullptr;
    for (const IdleCrowd& crowd : report.idle) {
        const MemoryShare share = share_of(crowd);
        const bool grown = former != nullptr && crowd.answered > former->answered;
        const MemoryShare more = grown ? share_of_one_more(*former, crowd) : MemoryShare{};
        const auto cell = [grown](double each, double next) {
            return grown ? fmt::format("{:.2f} ({:.2f})", each, next) : fmt::format("{:.2f}", each);
        };
        table.rows.push_back(
            {fmt::format("{} {}", crowd.count, word(crowd.start)), std::to_string(crowd.answered),
             cell(share.private_mib, more.private_mib), cell(share.pss_mib, more.pss_mib),
             cell(share.host_mib, more.host_mib)});
        failures += crowd.error.empty() ? "" : fmt::format("<p>{}</p>\n", escaped(crowd.error));
        former = &crowd;
    }
    return page::html(table) + failures + memory_svg(report);
}

std::string programs(const Report& report) {
    std::string text;
    for (const VariantResult& variant : report.variants) {
        const VariantDescription& which = variant.description;
        text += fmt::format("<details><summary>{}, {}</summary>\n", escaped(title(which)),
                            escaped(which.version)) +
                page::preformatted(joined(which.command_line)) +
                (which.configuration.empty() ? "" : page::preformatted(which.configuration)) +
                "</details>\n";
    }
    return text;
}

}  // namespace

std::string html(const Report& report) {
    std::string body = cards(report);
    body += page::section("What was measured", surroundings(report));
    body += page::section("How long a start takes", distribution(report));
    body += page::section("Phases", phase_table(report));
    if (const std::string counted = counter_table(report); !counted.empty()) {
        body += page::section("Where the time goes", counted);
    }
    if (!report.rushes.empty()) {
        body += page::section("Many at once", concurrency(report));
    }
    if (!report.idle.empty()) {
        body += page::section("Memory", memory(report));
    }
    body += page::section("Programs", programs(report));
    if (!report.command_line.empty()) {
        body += page::section("To measure again", page::preformatted(report.command_line));
    }
    return page::document("How long sandboxes take to start", body);
}

}  // namespace anchorhold::bench
