// `anchorhold bench`: measure starts, show a result, check it against a recorded one.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/sys.h"
#include "bench/baseline.h"
#include "bench/distribution_plot.h"
#include "bench/measure.h"
#include "bench/report_json.h"
#include "bench/table.h"
#include "cli/command.h"
#include "cli/commands/bench_proxy.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/machine_host.h"
#include "cli/run_report.h"
#include "cli/text.h"
#include "cli/version.h"

namespace anchorhold::cli {
namespace {

constexpr size_t kMaxReport = size_t{64} << 20;
constexpr const char* kVirtual = "virtual";

// What the parser fills; strings where a unit has to be read.
struct BenchArguments {
    std::string image = "tiny";
    std::string kernel;
    uint32_t cpus = 1;
    uint32_t count = 21;
    std::string memory = "128M";
    std::string disk = "4G";
    std::vector<std::string> peers;
    std::string clock = "host";
    std::string svg;
    std::string baseline;
    std::string report;                  // of show and check: a file, or "-"
    std::vector<std::string> stopwatch;  // recorded with the medians
    bool shift = false;
    bool json = false;
    bool in_stopwatch = false;
    bool update = false;
};

Result<bench::MeasureRequest> complete(const BenchArguments& arguments,
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

// The same options, for this program where KVM is.
std::vector<std::string> for_the_machine(const BenchArguments& arguments,
                                         const bench::MeasureRequest& request) {
    std::vector<std::string> words = {"bench",
                                      "start",
                                      "--json",
                                      "--image",
                                      arguments.image,
                                      "--cpus",
                                      std::to_string(arguments.cpus),
                                      "--count",
                                      std::to_string(arguments.count),
                                      "--memory",
                                      arguments.memory,
                                      "--disk",
                                      arguments.disk};
    const auto add = [&words](const char* option, const std::string& value) {
        words.insert(words.end(), {option, value});
    };
    for (const std::string& peer : arguments.peers) {
        add("--peer", peer);
    }
    if (!arguments.kernel.empty()) {
        add("--kernel", arguments.kernel);
    }
    if (arguments.in_stopwatch) {
        add("--clock", kVirtual);
    }
    if (arguments.shift) {
        words.emplace_back("--shift");
    }
    words.emplace_back("--");
    words.insert(words.end(), request.command.begin(), request.command.end());
    return words;
}

// What peers need there: QEMU's vsock, and KVM's word on how guests' clocks are related to the
// host's.
MachineCommand with_peers_ready(MachineCommand command) {
    const std::vector<std::string> before = {"/bin/sh", "-c",
                                             "modprobe -q vhost_vsock; mount -t debugfs debugfs "
                                             "/sys/kernel/debug 2>/dev/null; exec \"$0\" \"$@\""};
    command.argv.insert(command.argv.begin(), before.begin(), before.end());
    return command;
}

Result<bench::Report> measure_in_machine(const supervisor::Installation& installation,
                                         const BenchArguments& arguments,
                                         const bench::MeasureRequest& request) {
    const auto machine = ANCHORHOLD_TRY(
        ensure_machine(installation, arguments.in_stopwatch ? machine::Flavour::kStopwatch
                                                            : machine::Flavour::kNormal));
    const OwnFd output = ANCHORHOLD_TRY(sys::memfd("bench-report", 0));
    MachineCommand command = ourselves(for_the_machine(arguments, request));
    if (!arguments.peers.empty()) {
        command = with_peers_ready(std::move(command));
    }
    command.output = output.get();
    const int status = run_in(machine, command);
    if (arguments.in_stopwatch && machine.started_now) {
        // Under a virtual clock an idle machine takes a whole processor.
        ANCHORHOLD_TRY(machine::stop(machine));
    }
    if (status != 0) {
        return fail(
            fmt::format("the bench in the emulated host ended with exit status {}", status));
    }
    const std::string text =
        ANCHORHOLD_TRY(sys::read_file(fmt::format("/proc/self/fd/{}", output.get()), kMaxReport));
    return bench::report_from_json(text);
}

Status show(const bench::Report& report, const BenchArguments& arguments) {
    if (!arguments.svg.empty()) {
        ANCHORHOLD_TRY(sys::write_file(arguments.svg, bench::distribution_svg(report)));
    }
    return sys::write_all(STDOUT_FILENO,
                          arguments.json ? bench::to_json(report) : bench::table(report));
}

Status start(const supervisor::Installation& installation, const BenchArguments& arguments,
             const std::vector<std::string>& after_dashes) {
    const bench::MeasureRequest request = ANCHORHOLD_TRY(complete(arguments, after_dashes));
    const bool here = !arguments.in_stopwatch && host_has_kvm();
    const auto report = here ? bench::measure(installation, request)
                             : measure_in_machine(installation, arguments, request);
    if (request.on_progress && here) {
        fmt::print(stderr, "\r\033[K");
    }
    if (!report) {
        return tl::unexpected(report.error());
    }
    return show(*report, arguments);
}

Result<bench::Report> read_report(const std::string& path) {
    const std::string text =
        ANCHORHOLD_TRY(sys::read_file(path == "-" ? std::string("/dev/stdin") : path, kMaxReport));
    return bench::report_from_json(text);
}

Status check(const BenchArguments& arguments) {
    const bench::Report report = ANCHORHOLD_TRY(read_report(arguments.report));
    const std::string recorded = ANCHORHOLD_TRY(sys::read_file(arguments.baseline));
    bench::Baseline baseline = ANCHORHOLD_TRY(bench::baseline_from_json(recorded));
    if (arguments.update) {
        baseline.medians = bench::medians(report);
        baseline.stopwatch = arguments.stopwatch;
        return sys::write_file(arguments.baseline, bench::to_json(baseline));
    }
    const std::vector<std::string> wrong = bench::compare(baseline, bench::medians(report));
    for (const std::string& line : wrong) {
        print_error(line);
    }
    return wrong.empty()
               ? Status()
               : fail(fmt::format("bench check: {} of the figures are worse than {} allows",
                                  wrong.size(), arguments.baseline));
}

int exit_status_of(const Status& done) {
    if (!done) {
        print_error(done.error().message);
        return kExitFailed;
    }
    return 0;
}

void add_show_options(CLI::App* command, BenchArguments& arguments) {
    command->add_flag("--json", arguments.json,
                      "Print JSON with every sample instead of the table");
    command->add_option("--svg", arguments.svg, "Draw the distribution into this file")
        ->type_name("FILE");
}

}  // namespace

void add_bench(CommandLine& line) {
    auto arguments = std::make_shared<BenchArguments>();
    BenchArguments& into = *arguments;
    CLI::App* group = line.app.add_subcommand(
        "bench", "Measure how long sandboxes take to start, and what the window costs");
    group->require_subcommand(1);
    add_bench_proxy(*group, line);
    std::function<int()>& action = line.action;

    CLI::App* start_command = group->add_subcommand(
        "start", "Boot sandboxes cold, one after another, and time each phase");
    start_command->footer(
        "COMMAND must print something: the time to its first byte is measured. Peers boot the same "
        "kernel, init and image, in turn with "
        "ours.\nWhere this host has no usable KVM it runs in the emulated host; with --virtual in "
        "the one whose clock counts instructions.");
    start_command
        ->add_option("--count", into.count,
                     "Starts to measure; one more, before them, is not counted")
        ->capture_default_str();
    start_command
        ->add_option("--image", into.image, "Root image: a name or the path of an EROFS file")
        ->capture_default_str();
    start_command->add_option("--kernel", into.kernel, "Another guest kernel (ELF vmlinux)")
        ->type_name("FILE");
    start_command->add_option("--cpus", into.cpus, "Processors, 1 to 8")->capture_default_str();
    start_command->add_option("-m,--memory", into.memory, "Memory")
        ->type_name("SIZE")
        ->capture_default_str();
    start_command
        ->add_option("--disk", into.disk, "Size of the writable layer; 0: in the guest's memory")
        ->type_name("SIZE")
        ->capture_default_str();
    start_command
        ->add_option("--peer", into.peers,
                     "Another VMM to compare with: qemu[=PATH], firecracker=PATH, "
                     "cloud-hypervisor=PATH,kernel=FILE")
        ->type_name("PEER")
        ->allow_extra_args(false);
    start_command->add_flag("--shift", into.shift,
                            "Spread the starts evenly over one tick of the host");
    start_command->add_flag("--virtual", into.in_stopwatch,
                            "In the emulated host whose clock counts instructions");
    start_command
        ->add_option("--clock", into.clock, "What this host's clock is called in the report")
        ->group("");
    add_show_options(start_command, into);
    start_command->callback(
        [&action, arguments, installation = &line.installation, command = &line.command] {
            action = [arguments, installation, command] {
                return exit_status_of(start(*installation, *arguments, *command));
            };
        });

    CLI::App* show_command =
        group->add_subcommand("show", "Print a result of bench start --json as a table");
    show_command->add_option("report", into.report, "The JSON file, or - for standard input")
        ->required()
        ->type_name("FILE");
    add_show_options(show_command, into);
    show_command->callback([&action, arguments] {
        action = [arguments] {
            const auto report = read_report(arguments->report);
            return exit_status_of(report ? show(*report, *arguments)
                                         : Status(tl::unexpected(report.error())));
        };
    });

    CLI::App* check_command =
        group->add_subcommand("check", "Compare the medians of a result with recorded ones");
    check_command->footer(
        "Exit status 125 when a median is more than 5 % above its record, over its limit, or "
        "missing.");
    check_command->add_option("report", into.report, "The JSON file of bench start --json, or -")
        ->required()
        ->type_name("FILE");
    check_command->add_option("--baseline", into.baseline, "The recorded medians and limits")
        ->required()
        ->type_name("FILE");
    check_command->add_flag("--update", into.update,
                            "Record these medians instead; limits stay as they are");
    check_command
        ->add_option("--stopwatch", into.stopwatch,
                     "With --update: an argument of the machine's command line, to be recorded")
        ->type_name("ARGUMENT")
        ->allow_extra_args(false);
    check_command->callback([&action, arguments] {
        action = [arguments] { return exit_status_of(check(*arguments)); };
    });
}

}  // namespace anchorhold::cli
