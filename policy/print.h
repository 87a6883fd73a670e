// A resolved policy for people and programs.
#pragma once

#include <string>

#include "policy/decision.h"
#include "proto/policy.pb.h"

namespace anchorhold::policy {

// YAML-like; every line of a rule, credential or limit ends in a comment with its origin.
[[nodiscard]] std::string print_policy(const proto::ResolvedPolicy& policy);

// The same as one JSON object, each rule, credential and limit with "origin".
[[nodiscard]] std::string print_policy_json(const proto::ResolvedPolicy& policy);

// "GET, HEAD https://api.github.com:443 /repos/**", on one line.
[[nodiscard]] std::string rule_text(const proto::Rule& rule);

// "600 requests per 60 s to api.github.com"
[[nodiscard]] std::string limit_text(const proto::Limit& limit);

[[nodiscard]] std::string_view protocol_word(proto::Protocol protocol);
[[nodiscard]] std::string_view effect_word(proto::Rule::Effect effect);

}  // namespace anchorhold::policy
