// The last line of a run.
#include "cli/run_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>

namespace anchorhold::cli {
namespace {

// Milliseconds between two moments of a timeline; null where one is unknown.
nlohmann::ordered_json milliseconds(uint64_t from, uint64_t to) {
    if (from == 0 || to == 0 || to < from) {
        return nullptr;
    }
    return static_cast<double>((to - from) / 1000) / 1000.0;
}

}  // namespace

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
    if (timeline != nullptr) {
        const supervisor::Timeline& t = *timeline;
        report["milliseconds"] = {{"prepare", milliseconds(t.requested, t.spawned)},
                                  {"spawn", milliseconds(t.spawned, t.configured)},
                                  {"create", milliseconds(t.configured, t.created)},
                                  {"load", milliseconds(t.created, t.loaded)},
                                  {"kernel", milliseconds(t.running, t.init_started)},
                                  {"init", milliseconds(t.init_started, t.init_ready)},
                                  {"exec", milliseconds(t.init_ready, t.exec)},
                                  {"first_byte", milliseconds(t.requested, t.first_byte)}};
    }
    const std::string line =
        report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace anchorhold::cli
