// Who a restored guest is: what must differ between two clones of one snapshot.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "proto/guest_control.pb.h"
#include "supervisor/timeline.h"

namespace anchorhold::supervisor {

struct GuestIdentity {
    std::string host_name;   // empty: the guest keeps its own
    std::string machine_id;  // 32 hex digits, machine-id(5)
    std::string boot_id;     // a UUID (RFC 9562, version 4) in text
    uint64_t generation = 0;
};

// Random ids and a generation that no earlier call on this host gave.
[[nodiscard]] Result<GuestIdentity> fresh_identity(std::string host_name);

// The request that makes a frozen guest go on as `identity`, with 64 bytes of entropy drawn and the
// wall clock read now. Where `timeline` knows the guest's TSC it may take a while to get there.
[[nodiscard]] Result<proto::ControlRequest> resume_as(const GuestIdentity& identity,
                                                      const Timeline& timeline);

// The request that makes a frozen guest go on as who it was.
[[nodiscard]] proto::ControlRequest thaw();

}  // namespace anchorhold::supervisor
