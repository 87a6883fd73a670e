// What each piece of a memory file must be: a digest for every chunk, so that damage is found where
// and when it is met, without reading the rest.
//
// File: a sealed payload (snapshot/sealed.h). Payload, little-endian: bytes of the memory (8),
// bytes of a chunk (8), then 16 bytes for each chunk: its XXH3-128, or all zero for a chunk of
// zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshot/checksum.h"

namespace anchorhold::snapshot {

constexpr uint64_t kChunkBytes = uint64_t{64} * 1024;
// The largest memory with digests: their table is then 64 MiB.
constexpr uint64_t kMaxDigestedMemory = uint64_t{1} << 38;

// How many chunks a memory has; its last one may be shorter.
[[nodiscard]] constexpr uint64_t chunk_count(uint64_t memory_bytes) {
    return memory_bytes / kChunkBytes + (memory_bytes % kChunkBytes != 0 ? 1 : 0);
}

// The digest of a chunk of zeros, which no other chunk has.
constexpr Digest kZeroChunk{};

struct MemoryDigests {
    uint64_t memory_bytes = 0;
    std::vector<Digest> chunks;  // chunk_count(memory_bytes) of them

    // Bytes of chunk `index`.
    [[nodiscard]] size_t chunk_bytes(uint64_t index) const;
    bool operator==(const MemoryDigests&) const = default;
};

// The digest of one chunk, kZeroChunk where all is zero.
[[nodiscard]] Digest chunk_digest(std::span<const std::byte> chunk);

// Reads what has data in `memory`, a file of 1 to kMaxDigestedMemory bytes.
[[nodiscard]] Result<MemoryDigests> compute_digests(int memory);

[[nodiscard]] std::string seal(const MemoryDigests& digests);
// Refuses whatever seal() cannot have written.
[[nodiscard]] Result<MemoryDigests> open_digests(std::string_view file);
// The file behind `fd`, read once and within bounds.
[[nodiscard]] Result<MemoryDigests> read_digests(int fd);

// A file of another size is refused before a byte of it is read.
[[nodiscard]] Status check_memory_size(int memory, const MemoryDigests& digests);

// Reads all of `memory`. The error says how many chunks are not what was written, and where the
// first one begins.
[[nodiscard]] Status verify_memory(int memory, const MemoryDigests& digests);

}  // namespace anchorhold::snapshot
