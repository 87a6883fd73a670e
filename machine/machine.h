// The emulated host, for the CLI: make it run, reach it, ask it, end it, lend it files.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "proto/machine.pb.h"

namespace anchorhold::machine {

enum class Flavour {
    kNormal,     // multi-threaded TCG
    kStopwatch,  // -icount, one vCPU: virtual time counts instructions
};

struct MachineOptions {
    std::string folder;  // <library>/machine: image/ and qemu-args (images/machine), tree/
                         // (tools/machine-tree)
    std::string relay;   // anchorhold-machine-relay
    Flavour flavour = Flavour::kNormal;
    uint32_t memory_mib =
        0;              // 0: 8 GiB, or three quarters of this host's memory where that is less
    uint32_t cpus = 2;  // kNormal only
    std::chrono::seconds idle = std::chrono::minutes(30);  // ends when unused for so long; 0: never
};

// Says what takes long: one short line, no newline at its end.
using Progress = std::function<void(std::string_view)>;

// A machine that runs. Copies are fine: it is a name, not an owner.
struct Machine {
    std::string folder;         // of its sockets and logs
    proto::RelayStatus status;  // status.share(): see SharedFile
    bool started_now = false;   // by this call of ensure_running()
};

// Finds or starts the machine of the tree as it is now; one that runs already keeps its own memory
// and cpus. Machines of the same flavour and another tree that run no command are told to stop.
// Errors: one line, with the machine's last console lines.
[[nodiscard]] Result<Machine> ensure_running(const MachineOptions& options,
                                             const Progress& progress);

// A connected stream for one command: exec/client.h speaks on it.
[[nodiscard]] Result<OwnFd> connect(const Machine& machine);

// Why a machine ended by itself while it was used, with its last console lines; waits for its end.
// Empty when it still serves, was stopped, or its relay has left.
[[nodiscard]] std::string reason_of_end(const Machine& machine);

// Every machine of this user that answers, with its status as of now. Removes what dead ones left.
[[nodiscard]] Result<std::vector<Machine>> list();

// Powers it off and waits until nothing of it is left. Commands in it are killed.
[[nodiscard]] Status stop(const Machine& machine);

}  // namespace anchorhold::machine
