// Reading a kernel's ELF headers: what to load where, and where a PVH kernel wants to be entered.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace anchorhold::vmm {

// One PT_LOAD segment. Ranges are checked: neither [file_offset, +file_size) leaves the file nor
// does [guest_address, +memory_size) wrap around or reach below 1 MiB.
struct KernelSegment {
    uint64_t file_offset;
    uint64_t file_size;      // at most memory_size
    uint64_t guest_address;  // physical (p_paddr)
    uint64_t memory_size;    // what exceeds file_size is zero
};

struct KernelImage {
    std::vector<KernelSegment>
        segments;    // by guest address, none overlapping another; at least one
    uint32_t entry;  // PVH entry point, inside one of the segments

    // The first guest address behind all segments.
    [[nodiscard]] uint64_t end() const;
};

// Reads the headers and notes of a 64-bit x86 ELF file (System V ABI, "Object Files") with a
// XEN_ELFNOTE_PHYS32_ENTRY note. Any file is safe to give; the error says what is wrong with it,
// without naming it.
Result<KernelImage> read_kernel_image(int fd);

}  // namespace anchorhold::vmm
