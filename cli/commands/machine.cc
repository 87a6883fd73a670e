// `anchorhold machine`: the emulated host by hand.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/machine_host.h"
#include "cli/run_report.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace anchorhold::cli {
namespace {

struct MachineArguments {
    bool interactive = false;
    bool terminal = false;
    bool json = false;
    bool stopwatch = false;
};

machine::Flavour flavour(const MachineArguments& arguments) {
    return arguments.stopwatch ? machine::Flavour::kStopwatch : machine::Flavour::kNormal;
}

int failed(const Error& error) {
    print_error(error.message);
    return kExitFailed;
}

int start(const supervisor::Installation& installation, const MachineArguments& arguments) {
    const auto machine = ensure_machine(installation, flavour(arguments));
    if (!machine) {
        return failed(machine.error());
    }
    fmt::print("{}\n", machine->started_now ? "started" : "running already");
    return 0;
}

int stop() {
    const auto machines = machine::list();
    if (!machines) {
        return failed(machines.error());
    }
    for (const machine::Machine& machine : *machines) {
        if (const Status stopped = machine::stop(machine); !stopped) {
            return failed(stopped.error());
        }
    }
    fmt::print("{}\n", machines->empty() ? "not running" : "stopped");
    return 0;
}

int print_status(const MachineArguments& arguments) {
    const auto machines = machine::list();
    if (!machines) {
        return failed(machines.error());
    }
    nlohmann::ordered_json report = nlohmann::ordered_json::array();
    for (const machine::Machine& machine : *machines) {
        const proto::RelayStatus& status = machine.status;
        report.push_back({{"build_id", status.build_id()},
                          {"flavour", status.flavour()},
                          {"memory_mib", status.memory_mib()},
                          {"cpus", status.cpus()},
                          {"commands", status.streams()},
                          {"uptime_seconds", status.uptime_ms() / 1000},
                          {"kvm_usable", status.kvm_usable()},
                          {"pid", status.qemu_pid()},
                          {"folder", machine.folder}});
        if (!arguments.json) {
            fmt::print("running: {}, {} processors, {} MiB, {} commands, up {}\n", status.flavour(),
                       status.cpus(), status.memory_mib(), status.streams(),
                       display_duration(std::chrono::milliseconds(status.uptime_ms())));
        }
    }
    if (arguments.json) {
        fmt::print("{}\n", report.dump(2));
    } else if (machines->empty()) {
        fmt::print("not running\n");
    }
    return machines->empty() ? 1 : 0;
}

int execute(const supervisor::Installation& installation, const MachineArguments& arguments,
            const std::vector<std::string>& after_dashes) {
    MachineCommand command;
    command.argv = after_dashes;
    command.interactive = arguments.interactive || arguments.terminal;
    command.terminal = arguments.terminal;
    if (command.argv.empty()) {
        print_error(
            "machine exec: no command; write: anchorhold machine exec [-i] [-t] -- COMMAND "
            "[ARGUMENT…]");
        return kExitFailed;
    }
    if (command.terminal && !is_terminal(0)) {
        print_error("--tty: standard input is not a terminal; leave --tty out, or run from one");
        return kExitFailed;
    }
    const auto machine = ensure_machine(installation, flavour(arguments));
    return machine ? run_in(*machine, command) : failed(machine.error());
}

}  // namespace

void add_machine(CommandLine& line) {
    auto arguments = std::make_shared<MachineArguments>();
    CLI::App* group =
        line.app.add_subcommand("machine", "The emulated host for places without usable KVM");
    group->footer(
        "It starts by itself when run needs it, ends by itself when unused for half an hour, and "
        "is not a security boundary.");
    group->require_subcommand(1);
    const auto* installation = &line.installation;
    std::function<int()>& action = line.action;

    CLI::App* start_command = group->add_subcommand("start", "Start it, or say that it runs");
    start_command->add_flag("--stopwatch", arguments->stopwatch,
                            "One processor under a virtual clock that counts instructions");
    start_command->callback([&action, arguments, installation] {
        action = [arguments, installation] { return start(*installation, *arguments); };
    });
    CLI::App* stop_command = group->add_subcommand("stop", "End it, with everything in it");
    stop_command->callback([&action] { action = [] { return stop(); }; });
    CLI::App* status_command =
        group->add_subcommand("status", "Say whether it runs (exit status 1 when not)");
    status_command->add_flag("--json", arguments->json, "Print JSON");
    status_command->callback(
        [&action, arguments] { action = [arguments] { return print_status(*arguments); }; });
    CLI::App* exec_command =
        group->add_subcommand("exec", "Run a command in it, as root, outside any sandbox");
    exec_command->add_flag("-i,--interactive", arguments->interactive, "Connect standard input");
    exec_command->add_flag("-t,--tty", arguments->terminal,
                           "Give the command a terminal (implies -i)");
    exec_command->add_flag("--stopwatch", arguments->stopwatch,
                           "In the machine with the virtual clock");
    exec_command->callback([&action, arguments, installation, command = &line.command] {
        action = [arguments, installation, command] {
            return execute(*installation, *arguments, *command);
        };
    });
}

}  // namespace anchorhold::cli
