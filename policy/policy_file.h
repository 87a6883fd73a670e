// Finding policies by name, and loading several into one.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// A path as it is; a bare name ("github-read") is looked for as <name>.yaml in
// $XDG_CONFIG_HOME/anchorhold/policies (or ~/.config/…), then in share/anchorhold/policies of the
// installation that the running program belongs to. The error names where it looked.
Result<std::string> find_policy_file(const std::string& name_or_path);

// Finds, reads and composes, in the order given.
Result<proto::ResolvedPolicy> load_policy(const std::vector<std::string>& names_or_paths);

}  // namespace anchorhold::policy
