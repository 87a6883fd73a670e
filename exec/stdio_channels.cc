// Pipes and terminals for one command.
#include "exec/stdio_channels.h"

#include <fcntl.h>

#include <utility>

#include "base/sys.h"
#include "exec/terminal.h"

namespace anchorhold::exec {
namespace {

Result<StdioChannels> open_terminal_stdio(const proto::WindowSize& size, uid_t owner) {
    Terminal terminal =
        ANCHORHOLD_TRY(open_terminal(owner, {.rows = size.rows(), .columns = size.columns()}));
    StdioChannels channels;
    channels.child_in = ANCHORHOLD_TRY(sys::dup_cloexec(terminal.peer.get()));
    channels.child_out = ANCHORHOLD_TRY(sys::dup_cloexec(terminal.peer.get()));
    channels.child_err = std::move(terminal.peer);
    // One descriptor each: the event loop knows one handler per descriptor.
    channels.in = ANCHORHOLD_TRY(sys::dup_cloexec(terminal.master.get()));
    channels.terminal = ANCHORHOLD_TRY(sys::dup_cloexec(terminal.master.get()));
    channels.out = std::move(terminal.master);
    return channels;
}

}  // namespace

Result<StdioChannels> open_stdio(const proto::ExecStart& start, uid_t owner) {
    if (start.has_terminal()) {
        return open_terminal_stdio(start.terminal(), owner);
    }
    StdioChannels channels;
    if (start.no_stdin()) {
        channels.child_in = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDONLY));
    } else {
        sys::Pipe pipe = ANCHORHOLD_TRY(sys::pipe());
        ANCHORHOLD_TRY(sys::set_nonblocking(pipe.write_end.get()));
        channels.child_in = std::move(pipe.read_end);
        channels.in = std::move(pipe.write_end);
    }
    for (const auto& [ours, theirs] : {std::pair(&channels.out, &channels.child_out),
                                       std::pair(&channels.err, &channels.child_err)}) {
        sys::Pipe pipe = ANCHORHOLD_TRY(sys::pipe());
        // Each end of a pipe has flags of its own: the command's end keeps blocking.
        ANCHORHOLD_TRY(sys::set_nonblocking(pipe.read_end.get()));
        *ours = std::move(pipe.read_end);
        *theirs = std::move(pipe.write_end);
    }
    return channels;
}

}  // namespace anchorhold::exec
