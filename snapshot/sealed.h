// The container of every small file of a snapshot: a fixed header, then one payload.
//
// Layout, little-endian: magic (8 bytes), format version (4), kind (4), payload length (8),
// XXH3-128 of the payload (16), XXH3-64 of the 40 bytes before (8), payload. Later versions keep
// this header, so that an older build can say which version it met.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::snapshot {

constexpr size_t kSealedHeaderSize = 48;

// Numbers are in files and never reused.
enum class Kind : uint32_t {
    kState = 1,
    kWorkingSet = 2,
    kMemoryDigests = 3,
    kCompressedMemory = 4,
};

struct Format {
    Kind kind = Kind::kState;
    uint32_t version = 0;      // the only one that is read
    uint64_t max_payload = 0;  // bytes; more is refused before anything is allocated
};

// Header and payload as one file's bytes. The payload is at most `max_payload` bytes.
[[nodiscard]] std::string seal_payload(const Format& format, std::string_view payload);

// The payload of a whole file, a part of `file`. One error for each way of being no such file: not
// ours, damaged, of another version or kind, cut off, with bytes behind its end.
[[nodiscard]] Result<std::string_view> open_sealed(const Format& format, std::string_view file);

// The payload of the file behind `fd`, which is read once, from its beginning, without moving its
// position.
[[nodiscard]] Result<std::string> read_sealed(const Format& format, int fd);

// The same of a file in which other bytes may follow the payload; the caller judges those.
[[nodiscard]] Result<std::string> read_sealed_head(const Format& format, int fd);

}  // namespace anchorhold::snapshot
