// A memory in a file, read chunk by chunk, whatever form it has there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace anchorhold::pager {

class MemorySource {
  public:
    virtual ~MemorySource() = default;
    // Bytes of the memory.
    [[nodiscard]] virtual uint64_t memory_bytes() const = 0;
    // Fills `chunk` with chunk `index` (snapshot::kChunkBytes each, the last one may be shorter).
    // What it is filled with is whatever the file says: judge it by its digest.
    virtual Status read_chunk(uint64_t index, std::span<std::byte> chunk) = 0;
};

}  // namespace anchorhold::pager
