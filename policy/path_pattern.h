// Patterns over paths (proto::PathPattern).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/glob.h"
#include "policy/target.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// "/repos/*/issues/**": segments between slashes, percent-encoding decoded ("%2F" is a slash inside
// a segment, "%2A" a literal star), `**` alone as the last segment.
Result<proto::PathPattern> parse_path_pattern(std::string_view text);

// As parse_path_pattern() reads it.
[[nodiscard]] std::string path_pattern_text(const proto::PathPattern& pattern);

// Narrow: segment by segment, and a trailing slash counts. Wide: also as a server would see the
// path that decodes "%2F" first, strips ";parameters" or does not mind a trailing slash.
// "*" (OPTIONS) is matched by no pattern.
[[nodiscard]] bool path_matches(const proto::PathPattern& pattern, const Target& target,
                                Reading reading);

// Provably everything that `inner` matches, `outer` matches.
[[nodiscard]] bool path_covers(const proto::PathPattern& outer, const proto::PathPattern& inner);

// Some path may match both. Never false when one does, in a narrow reading of both or, wide, where
// one of them is a guardrail's.
[[nodiscard]] bool paths_overlap(const proto::PathPattern& a, const proto::PathPattern& b,
                                 Reading reading);

}  // namespace anchorhold::policy
