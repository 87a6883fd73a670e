// The walls around a process that needs nothing of its host but what it has open already.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"

namespace anchorhold {

// The most of a resource that there may be, where that is not less already (setrlimit(2)).
struct Limit {
    __rlimit_resource resource;
    rlim_t most;
};

struct Jail {
    int namespaces = 0;  // of its own: CLONE_NEWNET, CLONE_NEWIPC, …; CLONE_NEWNS is one always
    std::optional<uid_t> user;  // which root becomes, where there is such a user
    std::vector<Limit> limits;
};

enum class Jailed : uint8_t {
    kApart,   // in namespaces of its own
    kBeside,  // in the host's: this host gives this user no others
};

// Once, before threads start: namespaces, an empty read-only root, no capability, nothing gained by
// exec, no core, nothing of this user attaches. What it has open stays open.
[[nodiscard]] Result<Jailed> enter_jail(const Jail& jail);

}  // namespace anchorhold
