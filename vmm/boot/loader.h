// Putting the kernel and the initial RAM disk into guest memory.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "memory/guest_memory.h"

namespace anchorhold::vmm {

// Where to start and where the initial RAM disk lies (size 0: there is none).
struct LoadedKernel {
    uint32_t entry;
    uint64_t end;  // the first guest address behind the kernel
};

// Reads the kernel's segments straight into `memory`, which must be fresh (all zeros). Each byte of
// the file is read at most once. Errors do not name the file.
Result<LoadedKernel> load_kernel(const memory::GuestMemory& memory, int fd);

// Reads the whole file to the first page-aligned 2 MiB boundary at or above `above`, which must
// leave it room in the RAM below the hole.
Result<memory::GuestRange> load_initrd(const memory::GuestMemory& memory, int fd, uint64_t above);

}  // namespace anchorhold::vmm
