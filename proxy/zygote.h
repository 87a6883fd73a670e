// A process without a secret that forks a proxy for each sandbox, everything expensive already in
// memory.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::proxy {

// Serves ForkProxy requests until end of file. Returns the exit status of the process it runs in:
// the zygote's own, or, in a forked proxy, that proxy's.
int run_zygote(OwnFd control);

}  // namespace anchorhold::proxy
