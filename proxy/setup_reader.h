// What a proxy is told through its setup pipe, secrets apart.
#pragma once

#include "base/result.h"
#include "proto/proxy_control.pb.h"
#include "proxy/credentials/secret_store.h"

namespace anchorhold::proxy {

struct ReadSetup {
    proto::ProxySetup message;  // without secrets
    SecretStore secrets;
};

// Reads to the end of file, at most 16 MiB, into locked memory, and leaves no other copy of a
// secret behind.
Result<ReadSetup> read_setup(int pipe);

}  // namespace anchorhold::proxy
