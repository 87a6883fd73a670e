// What bindings (proto::Binding) have in common: checks, comparison, words for people.
#pragma once

#include <string>

#include "base/result.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// A binding that came over the wire names a secret, hosts by name, ports and one location.
Status check_binding(const proto::Binding& binding);

// One place in requests: the same header, key, pointer, …
[[nodiscard]] bool same_location(const proto::Binding& a, const proto::Binding& b);

// One secret put into one location in one way; hosts, placeholders and minting endpoints may
// differ.
[[nodiscard]] bool does_the_same(const proto::Binding& a, const proto::Binding& b);

// "header authorization", "query key api_key", "AWS signature (s3, eu-central-1)".
[[nodiscard]] std::string location_text(const proto::Binding& binding);

// "github-read.yaml:12:5": the file's last part, line, column.
[[nodiscard]] std::string origin_text(const proto::ResolvedPolicy& policy,
                                      const proto::Origin& origin);

}  // namespace anchorhold::policy
