// The walls of a proxy: what is not taken away before the first guest byte, a broken proxy could
// use.
#pragma once

#include "base/result.h"

namespace anchorhold::proxy {

// Once, in the zygote, before it forks: own namespaces (network, mounts, ipc, uts) where the host
// allows, an empty read-only root, no capability, no core dump, nothing gained by exec
// (base/jail.h). Without the right to make namespaces (not root, and no user namespaces) it goes
// on: the filter below holds without them.
Status enter_empty_namespaces();

// First, in each proxy, before it reads a secret: nothing of it is ever swapped out. Only where the
// zygote was started as root: the limit of anybody else is too small for a whole process, and
// nothing happens; the store of secrets is locked in any case.
Status lock_memory();

// Last, in each proxy: a seccomp filter of the calls in jail.cc; anything else ends the process.
Status install_filter();

}  // namespace anchorhold::proxy
