// SHA-256 over files and policies.
#pragma once

#include <string>
#include <string_view>

#include "proto/policy.pb.h"

namespace anchorhold::policy {

// 32 bytes (FIPS 180-4).
[[nodiscard]] std::string sha256(std::string_view bytes);

[[nodiscard]] std::string hexadecimal(std::string_view bytes);

// "sha256:…" of the policy's serialised form, in which the documents' paths are left out: the same
// documents in the same order have the same digest wherever they lie.
[[nodiscard]] std::string policy_digest(const proto::ResolvedPolicy& policy);

}  // namespace anchorhold::policy
