// ExecStart from options.
#include "cli/exec_start.h"

#include <cstdlib>

#include "cli/terminal.h"

namespace anchorhold::cli {

proto::ExecStart exec_start(const RunOptions& options,
                            const std::vector<std::string>& environment) {
    proto::ExecStart start;
    for (const std::string& argument : options.command) {
        start.add_argv(argument);
    }
    for (const std::string& variable : environment) {
        start.add_env(variable);
    }
    for (const std::string& variable : options.environment) {
        start.add_env(variable);
    }
    start.set_working_directory(options.working_directory);
    start.set_user(options.user);
    start.set_no_stdin(!options.interactive);
    if (options.terminal) {
        ask_for_our_terminal(start);
    }
    return start;
}

void ask_for_our_terminal(proto::ExecStart& start) {
    const TerminalSize size = terminal_size(0);
    start.mutable_terminal()->set_rows(size.rows);
    start.mutable_terminal()->set_columns(size.columns);
    const char* type = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe)
    start.set_terminal_type(type != nullptr ? type : "xterm");
}

exec::Stdio stdio_for(const RunOptions& options) {
    return {.in = options.interactive ? 0 : -1, .out = 1, .err = 2};
}

}  // namespace anchorhold::cli
