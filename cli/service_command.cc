// Connect here, or run there.
#include "cli/service_command.h"

#include "cli/exit_status.h"
#include "cli/host.h"
#include "cli/machine_host.h"
#include "cli/run_report.h"
#include "supervisor/service/serve.h"

namespace anchorhold::cli {

void add_socket_option(CLI::App& app, const std::shared_ptr<ServiceArguments>& arguments) {
    app.add_option("--socket", arguments->socket,
                   "The service's socket (default: $ANCHORHOLD_SOCKET, or anchorhold.sock in the "
                   "runtime folder)")
        ->type_name("PATH");
}

int run_ourselves_there(const CommandLine& line, const ServiceArguments& arguments) {
    const auto machine = ensure_machine(line.installation);
    if (!machine) {
        print_error(machine.error().message);
        return kExitFailed;
    }
    MachineCommand command = ourselves(arguments.there.empty() ? line.arguments : arguments.there);
    command.interactive = arguments.interactive || arguments.terminal;
    command.terminal = arguments.terminal;
    return run_in(*machine, command);
}

int run_with_service(const CommandLine& line, const ServiceArguments& arguments,
                     const std::function<Result<int>(ServiceClient& client)>& body) {
    if (!host_has_kvm()) {
        return run_ourselves_there(line, arguments);
    }
    auto client = ServiceClient::connect(arguments.socket.empty() ? service::default_socket()
                                                                  : arguments.socket);
    const auto status = client ? body(*client) : Result<int>(tl::unexpected(client.error()));
    if (!status) {
        print_error(status.error().message);
        return kExitFailed;
    }
    return *status;
}

void set_service_action(CommandLine& line, CLI::App& app,
                        const std::shared_ptr<ServiceArguments>& arguments,
                        std::function<Result<int>(ServiceClient& client)> body) {
    app.callback([&line, arguments, body = std::move(body)] {
        line.action = [&line, arguments, body] { return run_with_service(line, *arguments, body); };
    });
}

}  // namespace anchorhold::cli
