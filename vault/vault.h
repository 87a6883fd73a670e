// Files of a hibernated sandbox, encrypted so that they are of no use to anyone without the key,
// and of no use in any other place with it.
//
// Layout: a header in the clear (file_cipher.h), then chunks of kChunkBytes of a stream, each with
// its tag behind it; the last one is shorter or as long and marked as the last (STREAM: Hoang,
// Reyhanitabar, Rogaway, Vizár, 2015). The stream, little-endian: bytes of the file (8), then for
// each piece of data its offset (8), length (8) and bytes, in order, and at the end the file's size
// and 0 in their places.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "vault/file_cipher.h"
#include "vault/key.h"

namespace anchorhold::vault {

// The largest file, in bytes.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 40;

// Reads the data of `source`, a sparse file, from its beginning to its end, and writes `target`, an
// empty file. Holes cost nothing. Nobody writes to the source meanwhile. After an error the target
// is empty.
[[nodiscard]] Status encrypt(int source, int target, const Key& key, const Context& context);

// The reverse: `target`, an empty file, becomes as large and as sparse as the source was.
// Everything that is written was authenticated before, but whether it is all of the file is known
// only at its end: after an error the target is empty again. Errors say whether the file is of
// another key, of another context, or damaged and where.
[[nodiscard]] Status decrypt(int source, int target, const Key& key, const Context& context);

}  // namespace anchorhold::vault
