// Files that came with their digest: FILE.sha256 beside FILE, as sha256sum(1) writes it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::supervisor {

// The digest in such a file, "sha256:…"; its name is not looked at. Refuses anything that sha256sum
// cannot have written for one file.
[[nodiscard]] Result<std::string> parse_digest_file(std::string_view text);

// An error where one of `paths` has a digest beside it and other bytes, or cannot be read; none
// where it has none. What was computed is kept in `cache_folder` (file_digest.h).
[[nodiscard]] Status check_digests_beside(std::span<const std::string> paths,
                                          const std::string& cache_folder);

}  // namespace anchorhold::supervisor
