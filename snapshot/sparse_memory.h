// Memory into a file that is as small as what is in the memory: pages of zeros stay holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "snapshot/working_set.h"

namespace anchorhold::snapshot {

// The file that a memory is a shared mapping of. Its holes are pages that nobody touched; they are
// skipped unread. Not for a private mapping, whose own pages the file does not have.
struct Source {
    int fd = -1;
    uint64_t offset = 0;  // of the memory's first byte, in the file
};

// True where all of `bytes` are zero.
[[nodiscard]] bool is_zero(std::span<const std::byte> bytes);

// Writes `memory` to `target` from `offset` on, whole pages, except those that are zero. The target
// reads as zeros there before and is as large already as it shall be. Returns the bytes written.
// Nothing may write to the memory meanwhile, or the copy is of no one moment.
[[nodiscard]] Result<uint64_t> write_sparse(int target, uint64_t offset,
                                            std::span<const std::byte> memory,
                                            std::optional<Source> source = std::nullopt);

// The same for some pages of `memory`, each to its own place: page n goes to `offset` + n pages.
// The ranges lie within the memory.
[[nodiscard]] Result<uint64_t> write_ranges(int target, uint64_t offset,
                                            std::span<const std::byte> memory,
                                            std::span<const PageRange> ranges);

}  // namespace anchorhold::snapshot
