// What Sandboxes knows of one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/service/sandboxes.h"

namespace anchorhold::service {

struct Sandboxes::Entry {
    Record record;
    HeldSandbox live;
    std::unique_ptr<SandboxWindow> window;
    std::string operation;
    std::string passed_over;
    // An operation that waits for the VM's end, or fails with it; unset when it is over.
    std::function<void(const std::string& error)> on_gone;
    struct Waiting {
        StatedCommand command;
        OnStream done;
    };
    std::vector<Waiting> waiting;  // commands, until the operation is over
    uint32_t commands = 0;
    EventLoop::TimerId idle = 0;
    bool removed = false;
};

// The folder of a hibernated guest's snapshot, below the sandbox's: one for each of its lives.
[[nodiscard]] std::string snapshot_name(const Record& record);

}  // namespace anchorhold::service
