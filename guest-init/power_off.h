// The orderly end of a guest.
#pragma once

#include "base/result.h"
#include "guest-init/agent_cgroup.h"

namespace anchorhold::guest_init {

// Ends every process but init and writes the disk back. `cgroup` may be null.
Status end_everything(AgentCgroup* cgroup, int disk);

// Resets the machine, which the VMM takes for an orderly end.
[[noreturn]] void reset_machine();

// For a guest that cannot start: says why on the kernel's console, where the VMM keeps the last
// lines, and panics.
[[noreturn]] void cannot_start(const Error& error);

}  // namespace anchorhold::guest_init
