// The one file that sees xxHash.
#include "snapshot/checksum.h"

// Compiled in: the static VMM links no further library.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace anchorhold::snapshot {
namespace {

Digest digest(const void* bytes, size_t size) {
    const XXH128_hash_t hash = XXH3_128bits(bytes, size);
    return {hash.low64, hash.high64};
}

}  // namespace

uint64_t checksum(std::string_view bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

Digest digest(std::span<const std::byte> bytes) {
    return digest(bytes.data(), bytes.size());
}

Digest digest(std::string_view bytes) {
    return digest(bytes.data(), bytes.size());
}

}  // namespace anchorhold::snapshot
