// The documents, secrets and host settings that `run --policy` names, read and composed before
// anything is started.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "proto/policy.pb.h"
#include "supervisor/secrets/registry.h"
#include "supervisor/window/network_settings.h"

namespace anchorhold::cli {

struct RunPolicy {
    proto::ResolvedPolicy policy;
    std::string digest;  // "sha256:…" of the resolved policy
    supervisor::SandboxSecrets secrets;
    supervisor::NetworkSettings network;
};

// `files` are paths or names of ready-made policies. Takes secrets out of the process's
// environment: before there are threads.
Result<RunPolicy> read_run_policy(const std::vector<std::string>& files);

}  // namespace anchorhold::cli
