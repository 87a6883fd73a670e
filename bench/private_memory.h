// What a VMM costs beside its guest's memory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace anchorhold::bench {

// How the guest's memory is told from the rest of a VMM's mappings.
struct GuestMappings {
    std::string_view name;  // mappings whose file's name contains it; empty: none
    uint64_t bytes = 0;     // mappings of exactly this size
};

// Sum of Private_Clean and Private_Dirty over the mappings of /proc/<pid>/smaps (proc(5)) that are
// not the guest's, in bytes. An error when the text is not of that form.
[[nodiscard]] Result<uint64_t> private_bytes(std::string_view smaps, const GuestMappings& guest);

// Of a running process.
[[nodiscard]] Result<uint64_t> private_bytes_of(pid_t pid, const GuestMappings& guest);

}  // namespace anchorhold::bench
