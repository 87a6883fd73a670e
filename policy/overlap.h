// Whether two rules can be about the same request, and whether one is about everything that another
// is about. Both err on the careful side.
#pragma once

#include "policy/glob.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

using HostPatterns = google::protobuf::RepeatedPtrField<proto::HostPattern>;
using Ports = google::protobuf::RepeatedField<uint32_t>;

[[nodiscard]] bool any_hosts_overlap(const HostPatterns& a, const HostPatterns& b);
// No port at all is every port.
[[nodiscard]] bool any_ports_overlap(const Ports& a, const Ports& b);

// Some connection can be to both.
[[nodiscard]] bool endpoints_overlap(const proto::Rule& a, const proto::Rule& b);

// Some request may match both; never false when one does. Conditions on bodies do not tell rules
// apart. Wide, where one of them is a guardrail's.
[[nodiscard]] bool rules_overlap(const proto::Rule& a, const proto::Rule& b, Reading reading);

// Provably every request that `inner` matches, `outer` matches. Both allow or both deny.
[[nodiscard]] bool rule_covers(const proto::Rule& outer, const proto::Rule& inner);

}  // namespace anchorhold::policy
