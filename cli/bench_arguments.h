// What `anchorhold bench start` was asked for: as typed, as a request, and as words for another run
// of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/measure.h"

namespace anchorhold::cli {

// What the parser fills; strings where a unit has to be read.
struct BenchArguments {
    std::string image = "tiny";
    std::string kernel;
    uint32_t cpus = 1;
    uint32_t count = 21;
    std::string memory = "128M";
    std::string disk = "4G";
    std::vector<std::string> starts = {"cold"};
    std::string from;
    std::string memory_backend;
    std::vector<std::string> warm;
    std::vector<uint32_t> rushes;
    std::vector<uint32_t> idle;
    std::vector<std::string> peers;
    std::string clock = "host";
    std::string svg;
    std::string html;
    std::string baseline;
    std::string report;                  // of show and check: a file, or "-"
    std::vector<std::string> stopwatch;  // recorded with the medians
    bool shift = false;
    bool json = false;
    bool in_stopwatch = false;
    bool update = false;
};

// `after_dashes` is the command, which may be empty. Errors name the option.
[[nodiscard]] Result<bench::MeasureRequest> complete_bench_request(
    const BenchArguments& arguments, const std::vector<std::string>& after_dashes);

// The arguments of this program, for where KVM is; it answers with JSON.
[[nodiscard]] std::vector<std::string> bench_for_the_machine(const BenchArguments& arguments,
                                                             const bench::MeasureRequest& request);

// What a person types to measure this again, quoted for a shell.
[[nodiscard]] std::string bench_command_line(const BenchArguments& arguments,
                                             const bench::MeasureRequest& request);

}  // namespace anchorhold::cli
