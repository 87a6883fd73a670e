// `anchorhold bench`: measure starts, show a result, check it against a recorded one.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/sys.h"
#include "bench/baseline.h"
#include "bench/distribution_plot.h"
#include "bench/html_report.h"
#include "bench/measure.h"
#include "bench/report_json.h"
#include "bench/table.h"
#include "cli/bench_arguments.h"
#include "cli/command.h"
#include "cli/commands/bench_proxy.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/machine_host.h"
#include "cli/run_report.h"

namespace anchorhold::cli {
namespace {

constexpr size_t kMaxReport = size_t{64} << 20;

// What is counted there is in debugfs, as is KVM's word on how the clocks of peers' guests are
// related to the host's; QEMU needs the host's vsock.
MachineCommand with_host_ready(MachineCommand command, const BenchArguments& arguments) {
    const std::vector<std::string> before = {
        "/bin/sh", "-c",
        std::string(arguments.peers.empty() ? "" : "modprobe -q vhost_vsock; ") +
            "mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; exec \"$0\" \"$@\""};
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
    MachineCommand command =
        with_host_ready(ourselves(bench_for_the_machine(arguments, request)), arguments);
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
    if (!arguments.html.empty()) {
        ANCHORHOLD_TRY(sys::write_file(arguments.html, bench::html(report)));
    }
    return sys::write_all(STDOUT_FILENO,
                          arguments.json ? bench::to_json(report) : bench::table(report));
}

Status start(const supervisor::Installation& installation, const BenchArguments& arguments,
             const std::vector<std::string>& after_dashes) {
    const bench::MeasureRequest request =
        ANCHORHOLD_TRY(complete_bench_request(arguments, after_dashes));
    const bool here = !arguments.in_stopwatch && host_has_kvm();
    auto report = here ? bench::measure(installation, request)
                       : measure_in_machine(installation, arguments, request);
    if (request.on_progress && here) {
        fmt::print(stderr, "\r\033[K");
    }
    if (!report) {
        return tl::unexpected(report.error());
    }
    report->command_line = bench_command_line(arguments, request);
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
    command
        ->add_option("--report", arguments.html,
                     "Write everything into this one HTML file, to hand on")
        ->type_name("FILE");
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
        ->add_option(
            "--starts", into.starts,
            "How sandboxes start, separated by commas: cold, restored (from a template), "
            "shell (into "
            "a VMM that waited), parked (restored already, standing still), forked (from one "
            "that runs)")
        ->type_name("KIND")
        ->delimiter(',')
        ->capture_default_str();
    CLI::Option* from =
        start_command
            ->add_option("--from", into.from,
                         "The template that warm starts are restored from, instead of one that "
                         "is made for this run")
            ->type_name("TEMPLATE");
    start_command
        ->add_option("--memory-backend", into.memory_backend,
                     "How warm starts get their memory: file or userfaultfd (see: anchorhold run)")
        ->type_name("file|userfaultfd");
    start_command
        ->add_option("--warm", into.warm,
                     "A shell command to run before that template is written down")
        ->type_name("COMMAND")
        ->allow_extra_args(false)
        ->excludes(from);
    start_command
        ->add_option("--concurrency", into.rushes,
                     "Also ask for so many at once, of each kind of start; several counts, "
                     "separated by commas")
        ->type_name("N")
        ->delimiter(',')
        ->check(CLI::Range(1, 2000));
    start_command
        ->add_option(
            "--memory-count", into.idle,
            "Also keep so many restored sandboxes idle after one answer, and report what they hold")
        ->type_name("N")
        ->delimiter(',')
        ->check(CLI::Range(1, 2000));
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
