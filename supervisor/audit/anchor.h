// The head of a log in one line, signed, to keep where nobody who can change the log can change it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "supervisor/audit/audit_keys.h"

namespace anchorhold::supervisor {

struct Anchor {
    std::string sandbox;
    std::string log_id;    // hex, from the log's first record
    uint64_t records = 0;  // the last one's number
    Sha256 head{};         // SHA-256 of its line
    PublicKey signer{};
    Signature signature{};  // over checkpoint_message()
};

// anchorhold-audit-1:<sandbox>:<log>:<records>:<head>:<signer>:<signature>
[[nodiscard]] std::string anchor_text(const Anchor& anchor);
// Strict; white space around it is dropped. The signature is checked under the signer it names.
[[nodiscard]] Result<Anchor> parse_anchor(std::string_view line);

[[nodiscard]] Anchor make_anchor(const AuditKeys& keys, std::string sandbox, std::string log_id,
                                 uint64_t records, const Sha256& head);

}  // namespace anchorhold::supervisor
