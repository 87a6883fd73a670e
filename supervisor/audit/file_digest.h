// What a file was when a sandbox started from it.
#pragma once

#include <string>

#include "base/result.h"

namespace anchorhold::supervisor {

// "sha256:…" of a regular file's bytes. With a folder (made where it is missing) the digest is kept
// there under the file's device and inode, and computed again when its size or one of its times has
// changed; a folder that cannot be written is no error.
Result<std::string> file_digest(const std::string& path, const std::string& cache_folder);

// $XDG_CACHE_HOME/anchorhold/digests or its place below $HOME; empty without either.
[[nodiscard]] std::string default_digest_cache();

}  // namespace anchorhold::supervisor
