// Memory that is what it was: no byte of a chunk leaves here before its digest was compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "pager/memory_source.h"
#include "snapshot/memory_digests.h"

namespace anchorhold::pager {

class VerifiedMemory {
  public:
    // Refuses digests of a memory of another size.
    static Result<VerifiedMemory> create(std::unique_ptr<MemorySource> source,
                                         snapshot::MemoryDigests digests);

    [[nodiscard]] uint64_t bytes() const { return digests_.memory_bytes; }
    [[nodiscard]] uint64_t chunks() const { return digests_.chunks.size(); }
    [[nodiscard]] size_t chunk_bytes(uint64_t index) const { return digests_.chunk_bytes(index); }
    // By its digest, which is how it is served: unread.
    [[nodiscard]] bool is_zero(uint64_t index) const {
        return digests_.chunks[index] == snapshot::kZeroChunk;
    }

    // The bytes of a chunk, valid until the next call; an error where they cannot be read or are
    // not what was written.
    Result<std::span<const std::byte>> chunk(uint64_t index);

  private:
    VerifiedMemory(std::unique_ptr<MemorySource> source, snapshot::MemoryDigests digests)
        : source_(std::move(source)),
          digests_(std::move(digests)),
          buffer_(snapshot::kChunkBytes) {}

    std::unique_ptr<MemorySource> source_;
    snapshot::MemoryDigests digests_;
    std::vector<std::byte> buffer_;
};

}  // namespace anchorhold::pager
