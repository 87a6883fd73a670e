// One command as the client asked for it, checked and completed: what will be executed, with which
// environment, where.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "exec/launcher.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec {

enum class DirectoryOrigin {
    kAsked,  // by the client: it must exist
    kHome,   // of the account: "/" when there is none
};

struct Command {
    std::vector<std::string> arguments;    // argv, not empty
    std::vector<std::string> environment;  // KEY=VALUE, each key once
    std::vector<std::string> candidates;   // paths to try in order, as execvpe(3) would; not empty
    std::string search_path;  // PATH that candidates came from; empty when argv[0] has a slash
    std::string directory;
    DirectoryOrigin directory_origin = DirectoryOrigin::kHome;
};

// Checks `start` and fills in defaults (PATH, HOME, USER, LOGNAME, SHELL, LANG, and TERM under a
// terminal). An error is a refusal BAD_REQUEST: empty argv, a NUL byte inside a string, an
// environment entry without a name.
[[nodiscard]] Result<Command> make_command(const proto::ExecStart& start, const Account& account);

}  // namespace anchorhold::exec
