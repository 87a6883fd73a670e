// A service with real sandboxes, where KVM is: one that is hibernated again and again, then kill -9
// of every kind of process at random points of every operation.
// Usage: vm_crash_soak [--kills N] [--hibernations N] [--seed N]
#include <fmt/format.h>
#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "soak/hibernation_rounds.h"
#include "soak/kill_rounds.h"
#include "soak/processes.h"
#include "soak/service_host.h"
#include "window/stand_in.h"

namespace anchorhold::soak {
namespace {

struct Options {
    uint64_t kills = 500;
    uint64_t hibernations = 200;
    uint64_t seed = std::random_device{}();
};

std::string list(const std::map<std::string, uint64_t>& counts) {
    std::string text;
    for (const auto& [name, count] : counts) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
    }
    return text;
}

Status run(const Options& options, const std::string& folder, Faults& faults) {
    const window_test::StandIn upstream(
        [](const window_test::Received& request, window_test::ByteStream& stream) {
            const size_t path = request.head.find(' ') + 1;
            return stream.write(window_test::ok_answer(
                request.head.substr(path, request.head.find(' ', path) - path)));
        },
        {.tls = false, .record = window_test::StandIn::Record::nothing});
    ANCHORHOLD_TRY(furnish(folder, upstream.port()));
    if (options.hibernations > 0) {
        const HibernationFigures figures =
            ANCHORHOLD_TRY(run_hibernation_rounds(folder, options.hibernations, faults));
        fmt::print(
            "{} hibernations and resumes in {:.1f} s, {:.0f} ms each · the service: {} KiB, then "
            "{} KiB, {} descriptors throughout\n",
            figures.done, figures.seconds,
            1000 * figures.seconds / static_cast<double>(std::max<uint64_t>(figures.done, 1)),
            figures.memory_before, figures.memory_after, figures.descriptors);
        std::fflush(stdout);
    }
    if (options.kills > 0) {
        const KillFigures figures =
            ANCHORHOLD_TRY(run_kill_rounds(folder, options.kills, options.seed, faults));
        fmt::print(
            "{} kills in {:.1f} s ({}; during {}) and {} more of starting services · "
            "operations answered {}, refused {}, cut off {} · points missed {} · seed {}\n",
            figures.kills, figures.seconds, list(figures.by_process), list(figures.by_operation),
            figures.restart_kills, figures.answered, figures.refused, figures.unanswered,
            figures.missed, options.seed);
    }
    return {};
}

bool soak(const Options& options) {
    fmt::print("{} hibernations, {} kills, seed {}\n", options.hibernations, options.kills,
               options.seed);
    std::fflush(stdout);
    std::string folder = "/tmp/anchorhold-crash-soak-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
        fmt::print(stderr, "vm_crash_soak: cannot make a folder in /tmp\n");
        return false;
    }
    adopt_orphans();
    Faults faults;
    faults.at("at the beginning");
    const Status done = run(options, folder, faults);
    faults.require(done.has_value(), done ? "" : done.error().message);
    if (faults.count() != 0) {
        fmt::print("the service's last words:\n{}", log_end(folder));
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    fmt::print("{}\n", faults.count() == 0 ? "nothing was lost and nothing was left"
                                           : fmt::format("{} FAULTS", faults.count()));
    return faults.count() == 0;
}

}  // namespace
}  // namespace anchorhold::soak

int main(int argc, char** argv) {
    using namespace anchorhold;
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    soak::Options options;
    for (size_t i = 0; i < arguments.size(); i += 2) {
        const bool has_value = i + 1 < arguments.size();
        if (has_value && arguments[i] == "--kills") {
            options.kills = std::stoull(arguments[i + 1]);
        } else if (has_value && arguments[i] == "--hibernations") {
            options.hibernations = std::stoull(arguments[i + 1]);
        } else if (has_value && arguments[i] == "--seed") {
            options.seed = std::stoull(arguments[i + 1]);
        } else {
            fmt::print(stderr, "vm_crash_soak: write --kills N, --hibernations N or --seed N\n");
            return 2;
        }
    }
    ::signal(SIGPIPE, SIG_IGN);
    return soak::soak(options) ? 0 : 1;
}
