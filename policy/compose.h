// Several documents into the one policy of a sandbox. What two of them cannot both mean is an
// error that shows both places.
#pragma once

#include <vector>

#include "base/result.h"
#include "policy/document.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// Grants add up and guardrails win, so the order matters only for which rule is named first. The
// smallest of all limits that apply counts. One error line for each of:
// - two documents of one name;
// - tls or tcp beside another protocol for one host and port;
// - two credentials for one place in requests to one host;
// - allow rules of two documents that match the same requests and bring different credentials;
// - one variable for two secrets, or two shapes for one secret;
// - limits of two grants on the same thing, unless each says `merge: min`;
// - private ranges of a grant that a guardrail denies.
Result<proto::ResolvedPolicy> compose(std::vector<Document> documents);

}  // namespace anchorhold::policy
