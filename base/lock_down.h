// What a worker process gives up before it reads its first input.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"

namespace anchorhold {

// One argument of a system call must have one value (its lower 32 bits are compared).
struct ArgumentIs {
    unsigned index = 0;
    uint32_t value = 0;
};

// One line of a filter: a system call, why it is needed, and with which argument alone. A call may
// have several lines.
struct AllowedCall {
    uint64_t number = 0;
    const char* reason = nullptr;
    std::optional<ArgumentIs> only = std::nullopt;
};

// For good: no new privileges, no capability, no core, nothing of this user attaches. Call before
// threads start.
[[nodiscard]] Status give_up_privileges();

// From now on this thread and those it starts make these calls, for x86-64; any other ends the
// process (SIGSYS), as does mapping executable memory. Needs no_new_privs.
[[nodiscard]] Status install_filter(std::span<const AllowedCall> allowed);

}  // namespace anchorhold
