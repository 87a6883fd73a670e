// What a proxy is told at its birth, and the channels it is told it over.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/secret_store.h"

namespace anchorhold::supervisor {

// The read end of a pipe that holds the whole ProxySetup: `setup` and the store's
// secrets, which are in locked memory on their way. An error when it is larger than 1 MiB.
Result<OwnFd> write_setup(const proto::ProxySetup& setup, const proxy::SecretStore& secrets);

}  // namespace anchorhold::supervisor
