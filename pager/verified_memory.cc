// Read, compare, give out.
#include "pager/verified_memory.h"

#include <fmt/format.h>

namespace anchorhold::pager {

Result<VerifiedMemory> VerifiedMemory::create(std::unique_ptr<MemorySource> source,
                                              snapshot::MemoryDigests digests) {
    if (source->memory_bytes() != digests.memory_bytes) {
        return fail(fmt::format("memory file: has {} bytes, its digests are of {}",
                                source->memory_bytes(), digests.memory_bytes));
    }
    return VerifiedMemory(std::move(source), std::move(digests));
}

Result<std::span<const std::byte>> VerifiedMemory::chunk(uint64_t index) {
    const auto bytes = std::span(buffer_).first(chunk_bytes(index));
    ANCHORHOLD_TRY(source_->read_chunk(index, bytes));
    if (snapshot::chunk_digest(bytes) != digests_.chunks[index]) {
        return fail(fmt::format("memory file: the {} bytes at {} are not what was written",
                                bytes.size(), index * snapshot::kChunkBytes));
    }
    return bytes;
}

}  // namespace anchorhold::pager
