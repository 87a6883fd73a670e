// What `anchorhold run` was asked for, apart from how it was said.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "supervisor/memory_backend.h"
#include "supervisor/spec.h"

namespace anchorhold::cli {

struct RunOptions {
    supervisor::SandboxSpec sandbox;
    std::string from;  // a template to start from; empty: boot sandbox.image
    std::optional<supervisor::MemoryBackend> memory_backend;  // with `from`; unset: the template's
    std::vector<std::string> command;
    std::vector<std::string> environment;  // KEY=VALUE
    std::string working_directory;         // empty: the user's home
    std::string user;                      // empty: the agent, uid 1000
    bool interactive = false;              // stdin is the command's
    bool terminal = false;                 // under a pseudo-terminal; implies interactive
    std::optional<Duration> timeout;
    std::vector<std::string> policies;  // files or names; none: no window at all
    bool audit_sync = false;            // each event on disk before its request leaves
    std::string learn;                  // where to write the least policy; empty: nowhere
    bool quiet = false;                 // no progress lines
    bool json = false;                  // one line of JSON about the run, on stderr, when it ends
};

// The arguments that make another `anchorhold` do the same; sandbox.image and sandbox.kernel as
// given here.
[[nodiscard]] std::vector<std::string> to_arguments(const RunOptions& options);

}  // namespace anchorhold::cli
