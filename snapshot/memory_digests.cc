// Chunks in, digests out; holes are chunks of zeros that are not read.
#include "snapshot/memory_digests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/endian.h"
#include "base/sys.h"
#include "snapshot/file_io.h"
#include "snapshot/sealed.h"
#include "snapshot/sparse_memory.h"

namespace anchorhold::snapshot {
namespace {

struct TableHeader {
    Le64 memory_bytes;
    Le64 chunk_bytes;
};
static_assert(sizeof(TableHeader) == 16);
struct TableEntry {
    Le64 low;
    Le64 high;
};
static_assert(sizeof(TableEntry) == 16);

constexpr Format kFormat{
    .kind = Kind::kMemoryDigests,
    .version = 1,
    .max_payload = sizeof(TableHeader) + chunk_count(kMaxDigestedMemory) * sizeof(TableEntry)};

Status check_bounds(uint64_t memory_bytes) {
    if (memory_bytes == 0 || memory_bytes > kMaxDigestedMemory) {
        return fail(fmt::format("memory of {} bytes: digests are for 1 to {} bytes", memory_bytes,
                                kMaxDigestedMemory));
    }
    return {};
}

Result<MemoryDigests> parse(std::string_view payload) {
    TableHeader header;
    if (payload.size() < sizeof header) {
        return fail("table of memory digests: shorter than its header");
    }
    std::memcpy(&header, payload.data(), sizeof header);
    payload.remove_prefix(sizeof header);
    if (header.chunk_bytes != kChunkBytes) {
        return fail(fmt::format("table of memory digests: of chunks of {} bytes, not {}",
                                static_cast<uint64_t>(header.chunk_bytes), kChunkBytes));
    }
    ANCHORHOLD_TRY(check_bounds(header.memory_bytes));
    const uint64_t count = chunk_count(header.memory_bytes);
    if (payload.size() != count * sizeof(TableEntry)) {
        return fail(fmt::format("table of memory digests: {} bytes of digests for {} chunks",
                                payload.size(), count));
    }
    MemoryDigests digests{header.memory_bytes, {}};
    digests.chunks.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
        TableEntry entry;
        std::memcpy(&entry, payload.data() + i * sizeof entry, sizeof entry);
        digests.chunks.push_back({entry.low, entry.high});
    }
    return digests;
}

}  // namespace

size_t MemoryDigests::chunk_bytes(uint64_t index) const {
    return std::min(kChunkBytes, memory_bytes - index * kChunkBytes);
}

Digest chunk_digest(std::span<const std::byte> chunk) {
    return is_zero(chunk) ? kZeroChunk : digest(chunk);
}

Result<MemoryDigests> compute_digests(int memory) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(memory, "memory file"));
    ANCHORHOLD_TRY(check_bounds(bytes));
    MemoryDigests digests{bytes, std::vector<Digest>(chunk_count(bytes))};
    std::vector<std::byte> buffer(kChunkBytes);
    for (uint64_t at = 0; at < bytes;) {
        const auto data = ANCHORHOLD_TRY(next_data(memory, at, bytes, "memory file"));
        if (!data) {
            break;
        }
        // A chunk with data in it is read whole; one that this began is not read again.
        for (at = std::max(at, data->begin / kChunkBytes * kChunkBytes); at < data->end;) {
            const uint64_t index = at / kChunkBytes;
            const auto chunk = std::span(buffer).first(digests.chunk_bytes(index));
            ANCHORHOLD_TRY(sys::read_exact_at(memory, chunk, at, "memory file"));
            digests.chunks[index] = chunk_digest(chunk);
            at += kChunkBytes;
        }
    }
    return digests;
}

std::string seal(const MemoryDigests& digests) {
    ANCHORHOLD_CHECK(check_bounds(digests.memory_bytes).has_value() &&
                     digests.chunks.size() == chunk_count(digests.memory_bytes));
    std::string payload;
    payload.reserve(sizeof(TableHeader) + digests.chunks.size() * sizeof(TableEntry));
    const auto append = [&](const auto& value) {
        payload.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    append(TableHeader{digests.memory_bytes, kChunkBytes});
    for (const Digest& chunk : digests.chunks) {
        append(TableEntry{chunk.low, chunk.high});
    }
    return seal_payload(kFormat, payload);
}

Result<MemoryDigests> open_digests(std::string_view file) {
    return parse(ANCHORHOLD_TRY(open_sealed(kFormat, file)));
}

Result<MemoryDigests> read_digests(int fd) {
    const std::string payload = ANCHORHOLD_TRY(read_sealed(kFormat, fd));
    return parse(payload);
}

Status check_memory_size(int memory, const MemoryDigests& digests) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(memory, "memory file"));
    if (bytes != digests.memory_bytes) {
        return fail(fmt::format("memory file: has {} bytes, its digests are of {}", bytes,
                                digests.memory_bytes));
    }
    return {};
}

Status verify_memory(int memory, const MemoryDigests& digests) {
    ANCHORHOLD_TRY(check_memory_size(memory, digests));
    const MemoryDigests found = ANCHORHOLD_TRY(compute_digests(memory));
    // Someone may have cut it meanwhile.
    ANCHORHOLD_TRY(check_memory_size(memory, found));
    uint64_t bad = 0;
    uint64_t first = 0;
    for (uint64_t i = 0; i < digests.chunks.size() && i < found.chunks.size(); ++i) {
        if (digests.chunks[i] != found.chunks[i]) {
            first = bad++ == 0 ? i : first;
        }
    }
    if (bad > 0) {
        return fail(fmt::format(
            "memory file: {} of {} chunks of {} bytes are damaged, the first at byte {}", bad,
            digests.chunks.size(), kChunkBytes, first * kChunkBytes));
    }
    return {};
}

}  // namespace anchorhold::snapshot
