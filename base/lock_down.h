// What a worker process gives up before it reads its first input.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace anchorhold {

// One argument of a system call must have one value: its lower 32 bits, as far as `mask` has them.
struct ArgumentIs {
    unsigned index = 0;
    uint32_t value = 0;
    uint32_t mask = ~uint32_t{0};
};

// As ArgumentIs::value: the number of the process that installs the filter.
inline constexpr uint32_t kThisProcess = ~uint32_t{0};

// One line of a filter: a system call, why it is needed, and with which argument alone. A call may
// have several lines.
struct AllowedCall {
    uint64_t number = 0;
    const char* reason = nullptr;
    std::optional<ArgumentIs> only = std::nullopt;
};

// A call that fails with an error instead of ending the process: libc then does without it.
struct RefusedCall {
    uint64_t number = 0;
    const char* reason = nullptr;
    uint16_t error = 0;
};

// For good: no new privileges, no capability, no core, nothing of this user attaches. Call before
// threads start.
[[nodiscard]] Status give_up_privileges();

// The program of install_filter(), which finds a call by its number in as many steps as a binary
// search: the kernel, too, walks it for every number there is when it is installed.
[[nodiscard]] std::vector<sock_filter> make_filter(std::span<const AllowedCall> allowed,
                                                   std::span<const RefusedCall> refused = {});

// From now on this thread and those it starts make these calls, for x86-64; any other ends the
// process (SIGSYS), as does mapping executable memory. Needs no_new_privs.
[[nodiscard]] Status install_filter(std::span<const AllowedCall> allowed,
                                    std::span<const RefusedCall> refused = {});

}  // namespace anchorhold
