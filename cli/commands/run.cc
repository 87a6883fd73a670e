// `anchorhold run`: one command in a new sandbox.
#include <fmt/format.h>

#include <memory>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/run_in_machine.h"
#include "cli/run_local.h"
#include "cli/run_options.h"
#include "cli/run_report.h"
#include "cli/run_service.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace anchorhold::cli {
namespace {

// What the parser fills; strings where a unit has to be read.
struct RunArguments {
    RunOptions options;
    std::string memory;
    std::string disk;
    std::string timeout;
    std::string memory_backend;
    bool remove = true;  // what --rm asks for is what run does
};

Result<RunOptions> complete(const RunArguments& arguments,
                            const std::vector<std::string>& command) {
    RunOptions options = arguments.options;
    options.command = command;
    if (options.command.empty()) {
        return fail("run: no command; write: anchorhold run [OPTIONS] -- COMMAND [ARGUMENT…]");
    }
    if (!arguments.memory.empty()) {
        options.sandbox.memory_bytes = ANCHORHOLD_TRY(parse_size(arguments.memory));
    }
    if (!arguments.disk.empty()) {
        options.sandbox.disk_bytes = ANCHORHOLD_TRY(parse_size(arguments.disk));
    }
    if (!arguments.timeout.empty()) {
        options.timeout = ANCHORHOLD_TRY(parse_duration(arguments.timeout));
    }
    const auto backend = supervisor::wished_backend(arguments.memory_backend);
    if (!backend) {
        return fail(fmt::format("--memory-backend '{}': {}", arguments.memory_backend,
                                backend.error().message));
    }
    options.memory_backend = *backend;
    if (options.policies.empty() && (options.audit_sync || !options.learn.empty())) {
        return fail("--audit-sync and --learn are about a window: give at least one --policy");
    }
    options.environment = ANCHORHOLD_TRY(resolve_environment(options.environment));
    if (options.terminal) {
        options.interactive = true;
        if (!is_terminal(0)) {
            return fail(
                "--tty: standard input is not a terminal; leave --tty out, or run from one");
        }
    }
    return options;
}

int run(const supervisor::Installation& installation, const RunArguments& arguments,
        const std::vector<std::string>& command) {
    const auto options = complete(arguments, command);
    if (!options) {
        print_error(options.error().message);
        return kExitFailed;
    }
    // What no host can do is said before a host is looked for.
    if (const Status valid = supervisor::validate(options->sandbox, UINT64_MAX); !valid) {
        print_error(valid.error().message);
        return kExitFailed;
    }
    if (!options->policies.empty() && !host_has_kvm()) {
        print_error(
            "--policy: there is no usable KVM here, and the emulated host has no network that a "
            "window could lead to; leave --policy out, or run on a host with KVM");
        return kExitFailed;
    }
    if (!host_has_kvm()) {
        return run_in_machine(installation, *options);
    }
    const std::optional<int> served = run_on_service(*options);
    return served ? *served : run_local(installation, *options);
}

}  // namespace

void add_run(CommandLine& line) {
    auto arguments = std::make_shared<RunArguments>();
    RunOptions& options = arguments->options;
    CLI::App* run_command = line.app.add_subcommand(
        "run", "Run one command in a new sandbox: anchorhold run [OPTIONS] -- COMMAND [ARGUMENT…]");
    run_command->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    run_command->footer(
        "The sandbox is a microVM with a read-only image, a writable layer of its own and no "
        "network device; it is gone when the command ends. With --policy its programs reach what "
        "the "
        "policies grant, with credentials that are put in on this side.\nCtrl-C is the command's; "
        "a second one kills the sandbox.\n\nExamples:\n  "
        "anchorhold run -- uname -a\n"
        "  anchorhold run --image debian -it -- bash\n  anchorhold run -i --timeout 10s -- "
        "sha256sum < file\n  anchorhold run --from py -- python3 -c 'print(1)'\n  anchorhold run "
        "--policy anthropic --image debian -- python3 "
        "agent.py");
    run_command
        ->add_option("--image", options.sandbox.image,
                     "Root image: a name (tiny, debian) or the path of an EROFS file")
        ->capture_default_str();
    CLI::Option* from =
        run_command
            ->add_option(
                "--from", options.from,
                "Start from a template (see: anchorhold template) instead of booting an image")
            ->type_name("TEMPLATE");
    run_command
        ->add_option("--memory-backend", arguments->memory_backend,
                     "How a sandbox that starts from a template gets its memory: file (mapped, "
                     "shared with others) or userfaultfd (page by page, each checked before the "
                     "guest sees it; needs /dev/userfaultfd). Default: file, or userfaultfd where "
                     "the template is stored compressed")
        ->type_name("file|userfaultfd")
        ->needs(from);
    CLI::Option* image = run_command->get_option("--image");
    from->excludes(image);
    run_command->add_option("--cpus", options.sandbox.cpus, "Processors, 1 to 8")
        ->capture_default_str()
        ->excludes(from);
    run_command->add_option("-m,--memory", arguments->memory, "Memory, at least 64M (default 512M)")
        ->type_name("SIZE")
        ->excludes(from);
    run_command
        ->add_option(
            "--disk", arguments->disk,
            "Size of the writable layer, a sparse file (default 4G); 0: in the guest's memory")
        ->type_name("SIZE")
        ->excludes(from);
    run_command
        ->add_option("-e,--env", options.environment,
                     "Environment variable for the command; KEY alone takes the value from here")
        ->type_name("KEY[=VALUE]")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    run_command
        ->add_option("-w,--workdir", options.working_directory,
                     "Working directory (default: the user's home)")
        ->type_name("DIR");
    run_command
        ->add_option("-u,--user", options.user, "User in the guest (default: agent, uid 1000)")
        ->type_name("NAME|UID[:GID]");
    run_command->add_flag("-i,--interactive", options.interactive, "Connect standard input");
    run_command->add_flag("-t,--tty", options.terminal, "Give the command a terminal (implies -i)");
    run_command
        ->add_option("--timeout", arguments->timeout,
                     "End the command after this time, with exit status 124")
        ->type_name("DURATION");
    run_command
        ->add_option("--kernel", options.sandbox.kernel, "Another guest kernel (ELF vmlinux)")
        ->type_name("FILE")
        ->excludes(from);
    run_command
        ->add_flag("--console", options.sandbox.console,
                   "Show the guest kernel's messages on standard error")
        ->excludes(from);
    run_command
        ->add_option(
            "--policy", options.policies,
            "Give the sandbox a window that lets through what this policy grants: a file, or the "
            "name of one of the ready-made (see: anchorhold policy); may be given "
            "several times")
        ->type_name("FILE|NAME")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    run_command->add_flag("--audit-sync", options.audit_sync,
                          "Have each event on disk before its request leaves, not within 10 ms");
    run_command
        ->add_option(
            "--learn", options.learn,
            "When it ends, write the least policy that would have allowed what was denied, for a "
            "person to read")
        ->type_name("FILE");
    run_command->add_flag("--rm", arguments->remove,
                          "Accepted for familiarity: a sandbox of run is always removed");
    run_command->add_flag("-q,--quiet", options.quiet, "No progress lines on standard error");
    run_command->add_flag("--json", options.json,
                          "When it ends, one line of JSON about the run on standard error");
    run_command->callback([&action = line.action, arguments, installation = &line.installation,
                           command = &line.command] {
        action = [arguments, installation, command] {
            return run(*installation, *arguments, *command);
        };
    });
}

}  // namespace anchorhold::cli
