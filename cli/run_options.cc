// Options back to arguments.
#include "cli/run_options.h"

#include <fmt/format.h>

namespace anchorhold::cli {

std::vector<std::string> to_arguments(const RunOptions& options) {
    const supervisor::SandboxSpec& sandbox = options.sandbox;
    std::vector<std::string> arguments = {"run"};
    if (options.from.empty()) {
        arguments.insert(arguments.end(),
                         {"--image=" + sandbox.image, fmt::format("--cpus={}", sandbox.cpus),
                          fmt::format("--memory={}", sandbox.memory_bytes),
                          fmt::format("--disk={}", sandbox.disk_bytes)});
    } else {
        arguments.push_back("--from=" + options.from);
    }
    if (options.memory_backend) {
        arguments.push_back(
            fmt::format("--memory-backend={}", supervisor::to_text(*options.memory_backend)));
    }
    if (!sandbox.kernel.empty()) {
        arguments.push_back("--kernel=" + sandbox.kernel);
    }
    if (sandbox.console) {
        arguments.emplace_back("--console");
    }
    for (const std::string& variable : options.environment) {
        arguments.push_back("--env=" + variable);
    }
    if (!options.working_directory.empty()) {
        arguments.push_back("--workdir=" + options.working_directory);
    }
    if (!options.user.empty()) {
        arguments.push_back("--user=" + options.user);
    }
    if (options.interactive) {
        arguments.emplace_back("--interactive");
    }
    if (options.terminal) {
        arguments.emplace_back("--tty");
    }
    if (options.timeout) {
        arguments.push_back(fmt::format("--timeout={:.9f}s",
                                        std::chrono::duration<double>(*options.timeout).count()));
    }
    if (options.quiet) {
        arguments.emplace_back("--quiet");
    }
    if (options.json) {
        arguments.emplace_back("--json");
    }
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), options.command.begin(), options.command.end());
    return arguments;
}

}  // namespace anchorhold::cli
