// Credentials in answers, replaced by placeholders before the guest sees them: tokens of minting
// endpoints, and the headers that Git LFS's batch answers hand out. Internal to this folder.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "proxy/credentials/credential_index.h"

namespace anchorhold::proxy {

// Replaces the strings at `fields` in a JSON answer. Returns what was captured, for the supervisor;
// an error where the answer is not JSON or has none of the fields (and no "error", RFC 6749 §5.2).
// The answer is unchanged then.
Result<std::vector<proto::Minted>> capture_tokens(Credentials::Index& index,
                                                  const proto::Binding& binding,
                                                  std::span<const JsonPath> fields,
                                                  std::string& answer);

// Git LFS batch API: objects[].actions.<name>.header.<field> with a credential's name, each good
// for its action's href only. An answer without one stays as it is.
Result<std::vector<proto::Minted>> capture_lfs_actions(Credentials::Index& index,
                                                       const proto::Binding& binding,
                                                       std::string& answer);

// "/…/info/lfs/objects/batch", whatever stands before it.
[[nodiscard]] bool is_lfs_batch(std::string_view target);

}  // namespace anchorhold::proxy
