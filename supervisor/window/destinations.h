// What the dialer may reach for a sandbox: its policy's hosts and ports, nothing about requests.
#pragma once

#include <cstdint>

#include "proto/dialer.pb.h"
#include "proto/policy.pb.h"

namespace anchorhold::supervisor {

// The hosts and ports of every rule that allows or asks, with the private ranges it names.
proto::AddClient destinations_of(uint64_t client, const proto::ResolvedPolicy& policy);

}  // namespace anchorhold::supervisor
