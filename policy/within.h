// Comparing two policies: is one provably within the other, and what changes from one to the other.
#pragma once

#include <string>
#include <vector>

#include "proto/policy.pb.h"

namespace anchorhold::policy {

// Why `child` is not provably within `parent`, one line each; empty: it is. Within means: whatever
// the child allows or asks about, the parent allows (or asks about, where the child asks) with at
// least its sizes and private ranges; every credential that the child brings, the parent brings to
// the same requests; what the parent denies and the child could allow, the child denies too; and
// the child's limits are no wider. Careful: some policies that are within are not proven to be.
[[nodiscard]] std::vector<std::string> beyond(const proto::ResolvedPolicy& child,
                                              const proto::ResolvedPolicy& parent);

struct PolicyChange {
    enum class Kind { allowed, asked, denied, limited, unlimited, credential, no_credential };
    Kind kind = Kind::allowed;
    std::string what;    // one line
    std::string origin;  // in the old policy for what is gone, else in the new one
};

// "becomes allowed"
std::string_view change_word(PolicyChange::Kind kind);

// What becomes allowed or denied from `old_policy` to `new_policy`, as far as it can be told from
// the rules one by one.
[[nodiscard]] std::vector<PolicyChange> compare(const proto::ResolvedPolicy& old_policy,
                                                const proto::ResolvedPolicy& new_policy);

}  // namespace anchorhold::policy
