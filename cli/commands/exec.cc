// `anchorhold exec`: a command in a named sandbox.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <memory>

#include "base/log.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/run_report.h"
#include "cli/service_command.h"
#include "cli/service_exec.h"
#include "cli/terminal.h"
#include "supervisor/service/serve.h"

namespace anchorhold::cli {
namespace {

struct ExecArguments {
    std::shared_ptr<ServiceArguments> service = std::make_shared<ServiceArguments>();
    std::string name;
    RunOptions options;
};

std::string request(const RunOptions& options) {
    const nlohmann::json body = {{"command", options.command},
                                 {"user", options.user},
                                 {"working_directory", options.working_directory}};
    return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Why the sandbox is not there any more, as far as the service knows.
std::string reason_of_end(const std::string& socket, const std::string& name) {
    auto client = ServiceClient::connect(socket);
    const auto answer = client ? client->call("GET", "/v1/sandboxes/" + name)
                               : Result<std::string>(tl::unexpected(client.error()));
    const auto json = nlohmann::json::parse(answer.value_or(""), nullptr, false);
    return json.is_object() ? log::escaped(json.value("reason", ""), 500) : std::string();
}

Result<int> execute(ServiceClient& client, const ExecArguments& arguments) {
    const std::string target = "/v1/sandboxes/" + arguments.name + "/exec";
    ServiceStream stream =
        ANCHORHOLD_TRY(std::move(client).open_stream(target, request(arguments.options)));
    auto status = exec_on(std::move(stream), arguments.options);
    if (!status && status.error().code == ECONNRESET) {
        const std::string socket = arguments.service->socket;
        const std::string reason =
            reason_of_end(socket.empty() ? service::default_socket() : socket, arguments.name);
        if (!reason.empty()) {
            return fail(fmt::format("sandbox {} ended: {}", arguments.name, reason));
        }
    }
    return status;
}

// The same for another anchorhold: what the environment here says is said in full.
std::vector<std::string> arguments_there(const ExecArguments& arguments) {
    const RunOptions& options = arguments.options;
    std::vector<std::string> there = {"exec"};
    for (const std::string& variable : options.environment) {
        there.push_back("--env=" + variable);
    }
    const auto add = [&](const std::string& option, const std::string& value) {
        if (!value.empty()) {
            there.push_back(option + value);
        }
    };
    add("--workdir=", options.working_directory);
    add("--user=", options.user);
    add("--socket=", arguments.service->socket);
    add("", options.interactive ? "--interactive" : "");
    add("", options.terminal ? "--tty" : "");
    there.push_back(arguments.name);
    there.emplace_back("--");
    there.insert(there.end(), options.command.begin(), options.command.end());
    return there;
}

Status complete(ExecArguments& arguments, const std::vector<std::string>& command) {
    RunOptions& options = arguments.options;
    options.command = command;
    if (options.command.empty()) {
        options.command = {"/bin/sh"};
    }
    if (options.terminal) {
        options.interactive = true;
        if (!is_terminal(0)) {
            return fail(
                "--tty: standard input is not a terminal; leave --tty out, or run from one");
        }
    }
    options.environment = ANCHORHOLD_TRY(resolve_environment(options.environment));
    arguments.service->interactive = options.interactive;
    arguments.service->terminal = options.terminal;
    arguments.service->there = arguments_there(arguments);
    return {};
}

}  // namespace

void add_exec(CommandLine& line) {
    auto arguments = std::make_shared<ExecArguments>();
    CLI::App* app = line.app.add_subcommand(
        "exec", "Run a command in a named sandbox: anchorhold exec [OPTIONS] NAME [-- COMMAND…]");
    app->footer(
        "Without a command it is /bin/sh. A paused or hibernated sandbox is resumed first. The "
        "exit status is the "
        "command's, as with run. Ctrl-C is the command's; a second one leaves it.\n\nExamples:\n  "
        "anchorhold "
        "exec -it amber\n  anchorhold exec amber -- make -j2 test\n  tar c src | anchorhold exec "
        "-i "
        "-w /tmp amber -- tar x");
    app->add_option("name", arguments->name, "The sandbox")->required();
    app->add_option("-e,--env", arguments->options.environment,
                    "Environment variable for the command; KEY alone takes the value from here")
        ->type_name("KEY[=VALUE]")
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app->add_option("-w,--workdir", arguments->options.working_directory,
                    "Working directory (default: the user's home)")
        ->type_name("DIR");
    app->add_option("-u,--user", arguments->options.user,
                    "User in the guest (default: agent, uid 1000)")
        ->type_name("NAME|UID[:GID]");
    app->add_flag("-i,--interactive", arguments->options.interactive, "Connect standard input");
    app->add_flag("-t,--tty", arguments->options.terminal,
                  "Give the command a terminal (implies -i)");
    add_socket_option(*app, arguments->service);
    app->callback([&line, arguments] {
        line.action = [&line, arguments] {
            if (const Status good = complete(*arguments, line.command); !good) {
                print_error(good.error().message);
                return kExitFailed;
            }
            return run_with_service(line, *arguments->service, [&](ServiceClient& client) {
                return execute(client, *arguments);
            });
        };
    });
}

}  // namespace anchorhold::cli
