// An event as the fields of its record.
#pragma once

#include <string>
#include <string_view>

#include "proto/audit.pb.h"

namespace anchorhold::supervisor {

// "decision", "outcome", …; "unknown" for an event without content.
[[nodiscard]] std::string_view event_word(const proto::AuditEvent& event);

// Appends ,"stream":3,"request":7 (those that are not 0) and the event's own fields. A string that
// is empty, a number that is 0 and a list without entries are left out, except where they are the
// message. docs/audit.md lists them all.
void append_event_fields(std::string& out, const proto::AuditEvent& event);

}  // namespace anchorhold::supervisor
