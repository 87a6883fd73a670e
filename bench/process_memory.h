// What processes hold, and what a host has left.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace anchorhold::bench {

struct ProcessMemory {
    uint64_t private_bytes = 0;  // in its own pages alone: Private_Clean and Private_Dirty
    uint64_t pss_bytes = 0;      // its share of all pages that it uses: Pss
};

// From the text of /proc/<pid>/smaps_rollup (proc_pid_smaps(5)).
[[nodiscard]] Result<ProcessMemory> process_memory(std::string_view smaps_rollup);
// Of a running process; a VMM's guest memory is part of it.
[[nodiscard]] Result<ProcessMemory> process_memory_of(pid_t pid);

// MemAvailable in the text of /proc/meminfo (proc_meminfo(5)), in bytes.
[[nodiscard]] Result<uint64_t> available_bytes(std::string_view meminfo);
// Of this host, now.
[[nodiscard]] Result<uint64_t> available_bytes();

}  // namespace anchorhold::bench
