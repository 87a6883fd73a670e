// Both sides of a command's stdin, stdout and stderr: pipes, or one pseudo-terminal.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "base/result.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec {

struct StdioChannels {
    // The command's sides; closed by us once it was forked.
    OwnFd child_in;
    OwnFd child_out;
    OwnFd child_err;
    // Ours, nonblocking. `in` is empty without stdin, `err` under a terminal.
    OwnFd in;
    OwnFd out;
    OwnFd err;
    OwnFd terminal;  // another descriptor of the terminal's master, for resizing; empty where there
                     // is none
};

// Makes what `start` asks for. A terminal is given to `owner`.
[[nodiscard]] Result<StdioChannels> open_stdio(const proto::ExecStart& start, uid_t owner);

}  // namespace anchorhold::exec
