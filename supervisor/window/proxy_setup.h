// What a proxy is told at its birth, and the channels it is told it over.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/secret_store.h"
#include "supervisor/window/certificate_authority.h"

namespace anchorhold::supervisor {

// The read end of a pipe that holds the whole ProxySetup: `setup`, with a fresh intermediate
// certificate for its sandbox and the store's secrets. Secrets and the key are in locked memory or
// wiped on their way. An error when it is larger than 1 MiB.
Result<OwnFd> write_setup(proto::ProxySetup setup, const CertificateAuthority& authority,
                          const proxy::SecretStore& secrets);

}  // namespace anchorhold::supervisor
