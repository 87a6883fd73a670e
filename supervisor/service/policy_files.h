// What a sandbox's folder keeps of its window: the resolved policy and the placeholders its guest
// holds. Never a secret.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "proto/policy.pb.h"
#include "supervisor/secrets/registry.h"
#include "supervisor/service/file_steps.h"

namespace anchorhold::service {

struct KeptPolicy {
    proto::ResolvedPolicy policy;
    supervisor::SecretRegistry::Placeholders placeholders;  // by the secrets' names
    bool on_disk = false;  // in the sandbox's own folder, as it is here
};

// nullopt where the folder has none; an error where what it has cannot be read.
[[nodiscard]] Result<std::optional<KeptPolicy>> read_kept_policy(const std::string& folder);
// On disk when it returns.
[[nodiscard]] Status write_kept_policy(const std::string& folder, const KeptPolicy& kept,
                                       FileSteps& steps);

}  // namespace anchorhold::service
