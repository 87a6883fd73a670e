// Documents, then the registry, then the host's network.
#include "cli/run_policy.h"

#include "policy/digest.h"
#include "policy/policy_file.h"
#include "supervisor/secrets/process_memory.h"

namespace anchorhold::cli {

Result<RunPolicy> read_run_policy(const std::vector<std::string>& files) {
    RunPolicy run;
    ANCHORHOLD_TRY(supervisor::seal_process_memory());
    run.policy = ANCHORHOLD_TRY(policy::load_policy(files));
    run.digest = policy::policy_digest(run.policy);
    const auto registry = ANCHORHOLD_TRY(
        supervisor::SecretRegistry::load(supervisor::SecretRegistry::default_path()));
    run.secrets = ANCHORHOLD_TRY(registry.resolve(run.policy));
    run.network = ANCHORHOLD_TRY(supervisor::load_network_settings());
    return run;
}

}  // namespace anchorhold::cli
