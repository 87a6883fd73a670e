// Both directions, side by side.
#include "bench/report_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace anchorhold::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMemoryKey = "vmm_private_bytes";
constexpr const char* kCountersKey = "counters";

Json summary_json(const Summary& summary) {
    return {{"min", summary.min}, {"p50", summary.p50}, {"p99", summary.p99}, {"max", summary.max}};
}

Json start_json(const Start& start) {
    Json json = Json::object();
    for (const PhaseInfo& phase : phases()) {
        if (const auto time = start.times[static_cast<size_t>(phase.phase)]) {
            json[std::string(phase.key)] = *time;
        }
    }
    json[kMemoryKey] = start.vmm_private_bytes;
    if (!start.counters.empty()) {
        json[kCountersKey] = start.counters;
    }
    return json;
}

Start start_from(const Json& json) {
    Start start;
    for (const PhaseInfo& phase : phases()) {
        if (const auto found = json.find(std::string(phase.key)); found != json.end()) {
            start.times[static_cast<size_t>(phase.phase)] = found->get<uint64_t>();
        }
    }
    start.vmm_private_bytes = json.at(kMemoryKey).get<uint64_t>();
    start.counters = json.value(kCountersKey, Counters());
    return start;
}

Json variant_json(const VariantResult& variant) {
    Json summary = Json::object();
    for (const PhaseInfo& phase : phases()) {
        if (const auto times = summary_of(variant, phase.phase)) {
            summary[std::string(phase.key)] = summary_json(*times);
        }
    }
    if (const auto memory = memory_of(variant)) {
        summary[kMemoryKey] = summary_json(*memory);
    }
    Json starts = Json::array();
    for (const Start& start : variant.starts) {
        starts.push_back(start_json(start));
    }
    return {{"name", variant.description.name},
            {"start", word(variant.description.start)},
            {"version", variant.description.version},
            {"command_line", variant.description.command_line},
            {"configuration", variant.description.configuration},
            {"summary", summary},
            {"starts", starts},
            {"late", variant.late}};
}

// Throws as nlohmann's accessors do.
StartKind kind_from(const Json& json) {
    const auto kind = start_kind(json.at("start").get<std::string>());
    if (!kind) {
        throw Json::other_error::create(501, "'start' is no kind of start", &json);
    }
    return *kind;
}

VariantResult variant_from(const Json& json) {
    VariantResult variant;
    json.at("name").get_to(variant.description.name);
    json.at("version").get_to(variant.description.version);
    variant.description.start = kind_from(json);
    json.at("command_line").get_to(variant.description.command_line);
    json.at("configuration").get_to(variant.description.configuration);
    for (const Json& start : json.at("starts")) {
        variant.starts.push_back(start_from(start));
    }
    variant.late = json.value("late", 0U);
    return variant;
}

Json environment_json(const Environment& environment) {
    return {{"clock", environment.clock},     {"version", environment.version},
            {"kernel", environment.kernel},   {"cpu", environment.cpu},
            {"kvm", environment.kvm},         {"processors", environment.processors},
            {"tick_ns", environment.tick_ns}, {"rcu", environment.rcu}};
}

Environment environment_from(const Json& json) {
    Environment environment;
    json.at("clock").get_to(environment.clock);
    json.at("version").get_to(environment.version);
    json.at("kernel").get_to(environment.kernel);
    json.at("cpu").get_to(environment.cpu);
    json.at("kvm").get_to(environment.kvm);
    json.at("processors").get_to(environment.processors);
    json.at("tick_ns").get_to(environment.tick_ns);
    json.at("rcu").get_to(environment.rcu);
    return environment;
}

Json work_json(const Work& work) {
    return {{"image", work.image},
            {"kernel_bytes", work.kernel_bytes},
            {"initrd_bytes", work.initrd_bytes},
            {"image_bytes", work.image_bytes},
            {"cpus", work.cpus},
            {"memory_bytes", work.memory_bytes},
            {"disk_bytes", work.disk_bytes},
            {"command", work.command},
            {"tick_phases", work.tick_phases}};
}

Work work_from(const Json& json) {
    Work work;
    json.at("image").get_to(work.image);
    json.at("kernel_bytes").get_to(work.kernel_bytes);
    json.at("initrd_bytes").get_to(work.initrd_bytes);
    json.at("image_bytes").get_to(work.image_bytes);
    json.at("cpus").get_to(work.cpus);
    json.at("memory_bytes").get_to(work.memory_bytes);
    json.at("disk_bytes").get_to(work.disk_bytes);
    json.at("command").get_to(work.command);
    json.at("tick_phases").get_to(work.tick_phases);
    return work;
}

Json rush_json(const Rush& rush) {
    return {{"start", word(rush.start)},
            {"count", rush.count},
            {"to_first_byte", rush.to_first_byte},
            {"error", rush.error}};
}

Rush rush_from(const Json& json) {
    Rush rush;
    rush.start = kind_from(json);
    json.at("count").get_to(rush.count);
    json.at("to_first_byte").get_to(rush.to_first_byte);
    json.at("error").get_to(rush.error);
    return rush;
}

Json idle_json(const IdleCrowd& crowd) {
    return {{"start", word(crowd.start)},
            {"count", crowd.count},
            {"answered", crowd.answered},
            {"error", crowd.error},
            {"private_bytes", crowd.private_bytes},
            {"pss_bytes", crowd.pss_bytes},
            {"available_fall", crowd.available_fall}};
}

IdleCrowd idle_from(const Json& json) {
    IdleCrowd crowd;
    crowd.start = kind_from(json);
    json.at("count").get_to(crowd.count);
    json.at("answered").get_to(crowd.answered);
    json.at("error").get_to(crowd.error);
    json.at("private_bytes").get_to(crowd.private_bytes);
    json.at("pss_bytes").get_to(crowd.pss_bytes);
    json.at("available_fall").get_to(crowd.available_fall);
    return crowd;
}

template <typename Item, typename Write>
Json array_of(const std::vector<Item>& items, Write write) {
    Json array = Json::array();
    for (const Item& item : items) {
        array.push_back(write(item));
    }
    return array;
}

template <typename Item, typename Read>
void read_array(const Json& array, std::vector<Item>& into, Read read) {
    for (const Json& item : array) {
        into.push_back(read(item));
    }
}

}  // namespace

std::string to_json(const Report& report) {
    const Json json = {{"format", kReportFormat},
                       {"environment", environment_json(report.environment)},
                       {"work", work_json(report.work)},
                       {"command_line", report.command_line},
                       {"variants", array_of(report.variants, variant_json)},
                       {"concurrency", array_of(report.rushes, rush_json)},
                       {"memory", array_of(report.idle, idle_json)}};
    return json.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

Result<Report> report_from_json(std::string_view text) {
    // nlohmann's accessors throw on a missing field or a wrong type; nothing else here does.
    try {
        const Json json = Json::parse(text);
        const int format = json.at("format").get<int>();
        if (format != kReportFormat) {
            return fail(fmt::format("bench report: format {}, this program reads {}", format,
                                    kReportFormat));
        }
        Report report;
        report.environment = environment_from(json.at("environment"));
        report.work = work_from(json.at("work"));
        json.at("command_line").get_to(report.command_line);
        read_array(json.at("variants"), report.variants, variant_from);
        read_array(json.at("concurrency"), report.rushes, rush_from);
        read_array(json.at("memory"), report.idle, idle_from);
        return report;
    } catch (const nlohmann::json::exception& wrong) {
        return fail(fmt::format("bench report: {}", wrong.what()));
    }
}

}  // namespace anchorhold::bench
