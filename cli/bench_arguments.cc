// Options there and back.
#include "cli/bench_arguments.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "bench/peer.h"
#include "cli/text.h"
#include "cli/version.h"

namespace anchorhold::cli {
namespace {

Result<std::vector<bench::StartKind>> start_kinds(const std::vector<std::string>& words) {
    std::vector<bench::StartKind> kinds;
    for (const std::string& word : words) {
        const auto kind = bench::start_kind(word);
        if (!kind) {
            return fail(
                fmt::format("--starts '{}': write cold, restored, shell, parked or forked", word));
        }
        kinds.push_back(*kind);
    }
    return kinds;
}

std::vector<std::string> options_of(const BenchArguments& arguments,
                                    const bench::MeasureRequest& request) {
    std::vector<std::string> words = {"--image",  arguments.image,
                                      "--cpus",   std::to_string(arguments.cpus),
                                      "--count",  std::to_string(arguments.count),
                                      "--memory", arguments.memory,
                                      "--disk",   arguments.disk};
    const auto add = [&words](const char* option, const std::string& value) {
        words.insert(words.end(), {option, value});
    };
    for (const std::string& kind : arguments.starts) {
        add("--starts", kind);
    }
    for (const std::string& warm : arguments.warm) {
        add("--warm", warm);
    }
    for (const uint32_t count : arguments.rushes) {
        add("--concurrency", std::to_string(count));
    }
    for (const uint32_t count : arguments.idle) {
        add("--memory-count", std::to_string(count));
    }
    if (!arguments.from.empty()) {
        add("--from", arguments.from);
    }
    if (!arguments.memory_backend.empty()) {
        add("--memory-backend", arguments.memory_backend);
    }
    for (const std::string& peer : arguments.peers) {
        add("--peer", peer);
    }
    if (!arguments.kernel.empty()) {
        add("--kernel", arguments.kernel);
    }
    if (arguments.shift) {
        words.emplace_back("--shift");
    }
    words.emplace_back("--");
    words.insert(words.end(), request.command.begin(), request.command.end());
    return words;
}

// As a shell reads one word.
std::string quoted(const std::string& word) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,./:+@";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
        return word;
    }
    std::string text(1, '\'');
    for (const char character : word) {
        if (character == '\'') {
            text.append("'\\''");
        } else {
            text.push_back(character);
        }
    }
    text.push_back('\'');
    return text;
}

}  // namespace

Result<bench::MeasureRequest> complete_bench_request(const BenchArguments& arguments,
                                                     const std::vector<std::string>& after_dashes) {
    bench::MeasureRequest request;
    request.sandbox.image = arguments.image;
    request.sandbox.kernel = arguments.kernel;
    request.sandbox.cpus = arguments.cpus;
    request.sandbox.memory_bytes = ANCHORHOLD_TRY(parse_size(arguments.memory));
    request.sandbox.disk_bytes = ANCHORHOLD_TRY(parse_size(arguments.disk));
    ANCHORHOLD_TRY(supervisor::validate(request.sandbox, UINT64_MAX));
    request.count = arguments.count;
    if (request.count == 0) {
        return fail("--count 0: at least one start has to be measured");
    }
    request.tick_phases = arguments.shift ? bench::SeriesOptions::TickPhases::kShifted
                                          : bench::SeriesOptions::TickPhases::kAsTheyCome;
    request.from = arguments.from;
    const auto backend = supervisor::wished_backend(arguments.memory_backend);
    if (!backend) {
        return fail(fmt::format("--memory-backend '{}': {}", arguments.memory_backend,
                                backend.error().message));
    }
    request.memory_backend = *backend;
    request.warm = arguments.warm;
    request.rushes = arguments.rushes;
    request.idle = arguments.idle;
    request.starts = ANCHORHOLD_TRY(start_kinds(arguments.starts));
    for (const std::string& peer : arguments.peers) {
        request.peers.push_back(ANCHORHOLD_TRY(bench::parse_peer(peer)));
    }
    request.command = after_dashes;
    if (request.command.empty()) {
        request.command = {"printf", "x"};
    }
    request.clock = arguments.clock;
    request.version = std::string("anchorhold ") + kVersion;
    if (::isatty(STDERR_FILENO) == 1) {
        request.on_progress = [](uint32_t done, uint32_t of, const std::string& next) {
            fmt::print(stderr, "\r\033[Kround {} of {}: {}", done + 1, of, next);
        };
    }
    return request;
}

std::vector<std::string> bench_for_the_machine(const BenchArguments& arguments,
                                               const bench::MeasureRequest& request) {
    std::vector<std::string> words = {"bench", "start", "--json"};
    if (arguments.in_stopwatch) {
        words.insert(words.end(), {"--clock", "virtual"});
    }
    const auto options = options_of(arguments, request);
    words.insert(words.end(), options.begin(), options.end());
    return words;
}

std::string bench_command_line(const BenchArguments& arguments,
                               const bench::MeasureRequest& request) {
    std::string line = "anchorhold bench start";
    if (arguments.in_stopwatch) {
        line += " --virtual";
    }
    for (const std::string& word : options_of(arguments, request)) {
        line += " ";
        line += quoted(word);
    }
    return line;
}

}  // namespace anchorhold::cli
