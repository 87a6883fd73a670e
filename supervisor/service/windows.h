// The windows of the service's sandboxes: supervisor::Window behind it in the program
// (policy_windows.h), none in tests.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/engine.h"

namespace anchorhold::service {

struct WindowOrder {
    std::string sandbox;
    std::string folder;  // the sandbox's; the resolved policy is kept there, secrets are not
    std::string parent;  // it was forked from, or empty
    std::string
        parent_folder;  // whose resolved policy a new fork takes over; empty without a parent
    std::string image;  // for the audit log
    std::vector<std::string>
        policies;            // files or names; not read again when there is a resolved one
    uint64_t adoptions = 0;  // numbers of streams and requests go on above the earlier ones
};

// One command as its client states it; the supervisor does not see the stream.
struct StatedCommand {
    std::vector<std::string> argv;
    std::string user;
    std::string working_directory;
};

// One sandbox's window. It is shut for good when it cannot do its work any more: nothing passes
// then, and the sandbox goes on without.
class SandboxWindow {
  public:
    virtual ~SandboxWindow() = default;

    // For a guest that is to be started (WindowSide): channels and the guest's set-up.
    virtual Result<supervisor::SandboxParts> parts() = 0;
    // For a guest that has its channels: their host's ends.
    virtual Result<std::optional<proto::ControlRequest>> take_channels(
        std::vector<supervisor::GuestChannel> channels) = 0;

    // Which ends have to be kept for whoever opens it after us.
    [[nodiscard]] virtual std::vector<KeptDescriptor> descriptors() const = 0;

    // Written down before the command's stream is given out; the number is the command's.
    virtual Result<uint64_t> command_begins(const StatedCommand& command) = 0;
    // `last_word` is what the client said last: a JSON object {status, signal, out_of_memory,
    // error}, or nothing.
    virtual void command_ended(uint64_t number, std::string_view last_word, Duration took) = 0;

    // The VM is gone, or paused for good: writes the end down, then calls `done`; it may destroy
    // the window from the loop.
    virtual void close(const std::string& reason, std::function<void()> done) = 0;
    // Why it is shut; empty while it is open.
    [[nodiscard]] virtual std::string shut_because() const = 0;
};

class Windows {
  public:
    virtual ~Windows() = default;
    // Reads and composes the policies, and their secrets.
    virtual Result<std::unique_ptr<SandboxWindow>> open(const WindowOrder& order) = 0;
    // From the resolved policy in the folder, on channels that were kept (taken out of
    // `descriptors`).
    virtual Result<std::unique_ptr<SandboxWindow>> adopt(
        const WindowOrder& order, std::map<std::string, OwnFd>& descriptors) = 0;
};

}  // namespace anchorhold::service
