// An empty file system as the few extents that hold its metadata: small wherever it is stored,
// sparse or not.
//
// File layout, little-endian: magic, size of the disk, then records of (offset, length, bytes)
// until the end of the file.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace anchorhold::supervisor {

// Writes the data extents of `disk`, a sparse file, to the new file `path`.
[[nodiscard]] Status pack_disk(int disk, const std::string& path);

// Fills `disk`, an empty sparse file, from a packed one. The error's code is ENOENT where there is
// none. Refuses one that is malformed or of another size than `disk_bytes`.
[[nodiscard]] Status unpack_disk(const std::string& path, int disk, uint64_t disk_bytes);

}  // namespace anchorhold::supervisor
