// Text and JSON; the plot is in plot.cc.
#include "bench/proxy/report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace anchorhold::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMicrosecond = 1e3;
constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr int kNameWidth = 12;
constexpr int kColumnWidth = 13;

std::string cell(const std::optional<uint64_t>& value, double unit, int digits) {
    return value
               ? fmt::format("{:>{}.{}f}", static_cast<double>(*value) / unit, kColumnWidth, digits)
               : fmt::format("{:>{}}", "-", kColumnWidth);
}

std::string heading(std::initializer_list<std::string_view> titles) {
    std::string text = fmt::format("{:<{}}", "", kNameWidth);
    for (const std::string_view title : titles) {
        text += fmt::format("{:>{}}", title, kColumnWidth);
    }
    return text + "\n";
}

Json summary_json(const Summary& summary) {
    return {{"min", summary.min}, {"p50", summary.p50}, {"p99", summary.p99}, {"max", summary.max}};
}

Json optional_json(const std::optional<uint64_t>& value) {
    return value ? Json(*value) : Json(nullptr);
}

}  // namespace

std::string table(const ProxyReport& report) {
    const Environment& at = report.environment;
    const ProxyBenchRequest& request = report.request;
    std::string text = fmt::format(
        "HTTPS in, HTTPS out, HTTP/1.1 with keep-alive, answers of 1 KiB; medians of {} rounds\n"
        "{}, Linux {}, {}, {} processors\n\n",
        request.rounds, at.version, at.kernel, at.cpu, at.processors);
    text += heading({"requests per", "requests per", "p50, us", "p99, us", "p50, us", "p99, us"});
    text += heading({"CPU-second", "second", "at one", "at one",
                     fmt::format("at {}", request.connections),
                     fmt::format("at {}", request.connections)});
    for (const ProxyFigures& one : report.contenders) {
        text += fmt::format("{:<{}}", one.name, kNameWidth);
        text += cell(one.requests_per_cpu_second, 1, 0) + cell(one.requests_per_second, 1, 0);
        text += cell(one.one_connection.p50, kMicrosecond, 1);
        text += cell(one.one_connection.p99, kMicrosecond, 1);
        text += cell(one.loaded.p50, kMicrosecond, 0) + cell(one.loaded.p99, kMicrosecond, 0);
        text += "\n";
    }
    text += "\n" + heading({"bulk MiB per", "bulk MiB per", "private MiB,", "KiB per idle"});
    text += heading({"CPU-second", "second", "idle", "connection"});
    for (const ProxyFigures& one : report.contenders) {
        text += fmt::format("{:<{}}", one.name, kNameWidth);
        text += cell(one.bulk_per_cpu_second, kMebibyte, 0) +
                cell(one.bulk_per_second, kMebibyte, 0) + cell(one.idle_bytes, kMebibyte, 2) +
                cell(one.connection_bytes, 1024, 1);
        text += "\n";
    }
    text += fmt::format(
        "\nCPU time is that of all processes; anchorhold's proxy, dialer and "
        "supervisor: {}\n",
        report.contenders[1].processor_shares);
    for (const std::string& line : judged(report)) {
        text += line + "\n";
    }
    for (const std::string& line : report.missing) {
        text += "without " + line + "\n";
    }
    return text;
}

std::string to_json(const ProxyReport& report) {
    const Environment& at = report.environment;
    Json contenders = Json::array();
    for (const ProxyFigures& one : report.contenders) {
        contenders.push_back(
            {{"name", one.name},
             {"requests_per_cpu_second", optional_json(one.requests_per_cpu_second)},
             {"requests_per_second", one.requests_per_second},
             {"bulk_bytes_per_cpu_second", optional_json(one.bulk_per_cpu_second)},
             {"bulk_bytes_per_second", one.bulk_per_second},
             {"one_connection_ns", summary_json(one.one_connection)},
             {"loaded_ns", summary_json(one.loaded)},
             {"idle_private_bytes", optional_json(one.idle_bytes)},
             {"bytes_per_idle_connection", optional_json(one.connection_bytes)},
             {"one_connection_samples_ns", one.one_connection_samples}});
    }
    const Json json = {{"environment",
                        {{"version", at.version},
                         {"kernel", at.kernel},
                         {"cpu", at.cpu},
                         {"processors", at.processors}}},
                       {"rounds", report.request.rounds},
                       {"round_ms", report.request.round_ms},
                       {"connections", report.request.connections},
                       {"contenders", contenders},
                       {"missing", report.missing},
                       {"judged", judged(report)}};
    return json.dump(2) + "\n";
}

}  // namespace anchorhold::bench
