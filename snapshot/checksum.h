// Checksums of our own files (XXH3): they find damage, not malice. A snapshot that leaves the
// host's hands is sealed by vault/ with a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace anchorhold::snapshot {

// XXH3-128.
struct Digest {
    uint64_t low = 0;
    uint64_t high = 0;
    bool operator==(const Digest&) const = default;
};

[[nodiscard]] uint64_t checksum(std::string_view bytes);  // XXH3-64
[[nodiscard]] Digest digest(std::span<const std::byte> bytes);
[[nodiscard]] Digest digest(std::string_view bytes);

}  // namespace anchorhold::snapshot
