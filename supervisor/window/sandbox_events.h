// What every sandbox with a window has in common, whoever runs it: its first events and what its
// guest is told.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "proto/audit.pb.h"
#include "proto/guest_control.pb.h"
#include "proto/policy.pb.h"
#include "supervisor/installation.h"
#include "supervisor/window/certificate_authority.h"

namespace anchorhold::supervisor {

// Appends words until 1 KiB is full; what did not fit is counted in the last: "[+17 bytes]".
void add_bounded(google::protobuf::RepeatedPtrField<std::string>& words,
                 std::span<const std::string> given);

struct StartedSandbox {
    std::string image;                     // as it was asked for
    std::string kernel;                    // empty: the installation's
    std::string policy_digest;             // "sha256:…"
    std::span<const std::string> command;  // empty: none yet
};
// The first event of a log: what runs, by digest. Reads the files where their digests are not
// cached.
[[nodiscard]] Result<proto::AuditEvent> sandbox_started(const Installation& installation,
                                                        const StartedSandbox& sandbox,
                                                        const proto::ResolvedPolicy& policy);

// What init is told before the first command: the root to trust, variables with placeholders.
[[nodiscard]] proto::ControlRequest guest_set_up(
    const CertificateAuthority& authority,
    std::span<const std::pair<std::string, std::string>> environment);

// The user we run as, for AuditContext: a name, or a number.
[[nodiscard]] std::string current_principal();

}  // namespace anchorhold::supervisor
