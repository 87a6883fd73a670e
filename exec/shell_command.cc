// Three words.
#include "exec/shell_command.h"

namespace anchorhold::exec {

proto::ExecStart shell_command(const std::string& line) {
    proto::ExecStart start;
    start.add_argv("/bin/sh");
    start.add_argv("-c");
    start.add_argv(line);
    start.set_no_stdin(true);
    return start;
}

}  // namespace anchorhold::exec
