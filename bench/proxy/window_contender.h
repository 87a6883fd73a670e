// Anchorhold's window as `run` sets it up, without a guest: supervisor, zygote, proxy, dialer,
// audit log, policy and a bound credential.
#pragma once

#include "bench/proxy/contender.h"
#include "supervisor/installation.h"

namespace anchorhold::bench {

// The supervisor is a process of its own, forked here: call it before there are threads. Its state
// lies below at.folder.
Result<std::unique_ptr<Contender>> make_window(const supervisor::Installation& installation,
                                               const ProxySurroundings& at);

}  // namespace anchorhold::bench
