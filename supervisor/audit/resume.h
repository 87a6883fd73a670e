// What a writer finds of the one before it, and where it goes on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "supervisor/audit/ratchet_state.h"

namespace anchorhold::supervisor {

struct ResumePoint {
    RatchetState state;       // records 0: nothing usable, begin anew
    uint64_t serial = 0;      // of a log that begins anew; given by the writer
    uint64_t cut = 0;         // bytes behind it that are no record of this log
    uint64_t lost_first = 0;  // records that were written and are not there any more; 0: none
    uint64_t lost_last = 0;
    std::string lost_log;  // hex id of a log that is gone as a whole, or empty
};

// Reads an open log and its state. Changes nothing. An error: the log goes on behind no state that
// fits, so that no writer can prove to be its writer's successor; `name` is for that message.
[[nodiscard]] Result<ResumePoint> find_resume_point(int log, int state, std::string_view name);

}  // namespace anchorhold::supervisor
