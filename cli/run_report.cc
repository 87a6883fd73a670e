// The last line of a run.
#include "cli/run_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

#include "base/log.h"

namespace anchorhold::cli {
namespace {

// Milliseconds between two moments of a timeline; null where one is unknown.
nlohmann::ordered_json milliseconds(uint64_t from, uint64_t to) {
    if (from == 0 || to == 0 || to < from) {
        return nullptr;
    }
    return static_cast<double>((to - from) / 1000) / 1000.0;
}

nlohmann::ordered_json booted_phases(const supervisor::Timeline& t) {
    return {{"prepare", milliseconds(t.requested, t.spawned)},
            {"spawn", milliseconds(t.spawned, t.configured)},
            {"create", milliseconds(t.configured, t.created)},
            {"load", milliseconds(t.created, t.loaded)},
            {"kernel", milliseconds(t.running, t.init_started)},
            {"init", milliseconds(t.init_started, t.init_ready)},
            {"exec", milliseconds(t.init_ready, t.exec)},
            {"first_byte", milliseconds(t.requested, t.first_byte)}};
}

nlohmann::ordered_json restored_phases(const supervisor::Timeline& t) {
    return {{"prepare", milliseconds(t.requested, t.spawned)},
            {"spawn", milliseconds(t.spawned, t.vmm_main)},
            {"create", milliseconds(t.vmm_main, t.created)},
            {"map", milliseconds(t.configured, t.mapped)},
            {"populate", milliseconds(t.mapped, t.populated)},
            {"state", milliseconds(t.populated, t.restored)},
            {"prefault", milliseconds(t.restored, t.prefaulted)},
            {"resume", milliseconds(t.running, t.resumed)},
            {"exec", milliseconds(t.resumed, t.exec)},
            {"first_byte", milliseconds(t.requested, t.first_byte)}};
}

}  // namespace

std::string console_text(std::string_view bytes) {
    const size_t length = bytes.find_last_not_of("\r\n") + 1;
    const std::string_view end = bytes.substr(length);
    std::string text = log::escaped(bytes.substr(0, length), length);
    text.append(static_cast<size_t>(std::ranges::count(end, '\n')), '\n');
    return text;
}

void print_error(std::string_view message) {
    const std::string line = fmt::format("anchorhold: {}\n", message);
    std::fwrite(line.data(), 1, line.size(), stderr);
}

void RunReport::print(bool json, const supervisor::Timeline* timeline) const {
    if (!json) {
        if (!error.empty()) {
            print_error(error);
        }
        return;
    }
    nlohmann::ordered_json report;
    report["exit_status"] = status;
    report["signal"] =
        signal == 0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(signal);
    report["out_of_memory"] = out_of_memory;
    report["error"] =
        error.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(error);
    if (!memory_backend.empty()) {
        report["memory_backend"] = memory_backend;
    }
    if (timeline != nullptr) {
        const supervisor::Timeline& t = *timeline;
        report["milliseconds"] = t.mapped != 0 ? restored_phases(t) : booted_phases(t);
    }
    const std::string line =
        report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace anchorhold::cli
