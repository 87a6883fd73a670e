// What the commands that talk to a running service have in common.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/service_client.h"

namespace anchorhold::cli {

// Options of every such command.
struct ServiceArguments {
    std::string socket;
    bool interactive = false;  // standard input is the command's
    bool terminal = false;
    std::vector<std::string> there;  // arguments for the emulated host, where not those given here
};

// Adds --socket.
void add_socket_option(CLI::App& app, const std::shared_ptr<ServiceArguments>& arguments);

// Connects and calls `body`, whose value is the exit status and whose error is printed. Where this
// host has no usable KVM the service is inside the emulated host: the whole command runs there with
// the same arguments.
[[nodiscard]] int run_with_service(const CommandLine& line, const ServiceArguments& arguments,
                                   const std::function<Result<int>(ServiceClient& client)>& body);
// Makes that what the command does once it is chosen.
void set_service_action(CommandLine& line, CLI::App& app,
                        const std::shared_ptr<ServiceArguments>& arguments,
                        std::function<Result<int>(ServiceClient& client)> body);

// Runs this very command in the emulated host.
[[nodiscard]] int run_ourselves_there(const CommandLine& line, const ServiceArguments& arguments);

}  // namespace anchorhold::cli
