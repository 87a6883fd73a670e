// The walls of a proxy: what is not taken away before the first guest byte, a broken proxy could
// use.
#pragma once

#include "base/result.h"

namespace anchorhold::proxy {

// Once, in the zygote, before it forks: own namespaces (network, mounts, ipc, uts) where the host
// allows, an empty read-only root, no capability, no core dump, nothing gained by exec. Without the
// right to make namespaces (not root, and no user namespaces) it goes on: the filter below holds
// without them.
Status enter_empty_namespaces();

// Last, in each proxy: not dumpable, memory limits, and a seccomp filter of the calls in jail.cc;
// anything else ends the process.
Status install_filter();

}  // namespace anchorhold::proxy
