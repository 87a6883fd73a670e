// The command line: parse, choose, run. Commands are in commands/, one file each.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sys.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/run_report.h"
#include "cli/version.h"
#include "supervisor/installation.h"

namespace anchorhold::cli {
namespace {

constexpr const char* kFooter =
    "Exit status of run: the command's own; 128+n when signal n killed it; 124 timed out; 125 "
    "anchorhold failed; 126 cannot be "
    "executed; 127 not found.\nEnvironment: ANCHORHOLD_LOG=debug|info|warning|error|off, "
    "ANCHORHOLD_LIBRARY=<folder of the VMM, "
    "kernel and images>, ANCHORHOLD_SOCKET=<of anchorhold serve>, XDG_CACHE_HOME, XDG_RUNTIME_DIR, "
    "XDG_STATE_HOME.";

// Everything after the first "--" is the sandboxed command's and none of the parser's business.
struct SplitArguments {
    std::vector<std::string> ours;
    std::vector<std::string> command;
};

SplitArguments split(int argc, char** argv) {
    const std::vector<std::string> all(argv + 1, argv + argc);
    const auto dashes = std::find(all.begin(), all.end(), "--");
    SplitArguments result;
    result.ours.assign(all.begin(), dashes);
    if (dashes != all.end()) {
        result.command.assign(dashes + 1, all.end());
    }
    return result;
}

int parse_and_run(int argc, char** argv) {
    log::configure("anchorhold", log::level_from_environment(log::Level::kWarning));
    std::signal(SIGPIPE, SIG_IGN);
    const auto installation = supervisor::find_installation();
    if (!installation) {
        print_error(installation.error().message);
        return kExitFailed;
    }
    // Every stream of a guest is a descriptor here, in the VMM and, twice, in its proxy.
    if (const Status raised = sys::raise_descriptor_limit(); !raised) {
        print_error(raised.error().message);
        return kExitFailed;
    }
    SplitArguments arguments = split(argc, argv);
    CLI::App app(
        "anchorhold: runs AI agents in microVMs with one window, and a supervisor at the window");
    app.set_version_flag("--version", std::string("anchorhold ") + kVersion);
    app.require_subcommand(1);
    app.footer(kFooter);
    app.get_formatter()->column_width(34);
    std::function<int()> action;
    const std::vector<std::string> all(argv + 1, argv + argc);
    CommandLine line{app, *installation, arguments.command, all, action};
    add_run(line);
    add_template(line);
    add_doctor(line);
    add_machine(line);
    add_audit(line);
    add_bench(line);
    add_policy(line);
    add_serve(line);
    add_create(line);
    add_exec(line);
    add_lifecycle(line);
    add_ps(line);
    add_pool(line);
    try {
        std::reverse(arguments.ours.begin(), arguments.ours.end());  // CLI11 takes them last first
        app.parse(arguments.ours);
    } catch (const CLI::Success& wanted) {
        return app.exit(wanted);  // --help, --version
    } catch (const CLI::ExtrasError& error) {
        print_error(std::string(error.what()) +
                    "; a command goes after -- (see anchorhold --help)");
        return kExitFailed;
    } catch (const CLI::ParseError& error) {
        print_error(std::string(error.what()) + " (see anchorhold --help)");
        return kExitFailed;
    }
    return action();
}

}  // namespace
}  // namespace anchorhold::cli

int main(int argc, char** argv) {
    return anchorhold::cli::parse_and_run(argc, argv);
}
