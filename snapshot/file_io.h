// Places in files: writing at one, and finding where a sparse file has data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace anchorhold::snapshot {

// Writes everything at `offset`; `object` names the file in errors.
[[nodiscard]] Status write_at(int fd, std::span<const std::byte> bytes, uint64_t offset,
                              std::string_view object);

// Bytes [begin, end) of a file.
struct Extent {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool operator==(const Extent&) const = default;
};

// The first data at or behind `from`, cut at `limit`; nothing where only holes are left. A file
// system that knows no holes has data everywhere. Moves the descriptor's position (SEEK_DATA).
[[nodiscard]] Result<std::optional<Extent>> next_data(int fd, uint64_t from, uint64_t limit,
                                                      std::string_view object);

}  // namespace anchorhold::snapshot
