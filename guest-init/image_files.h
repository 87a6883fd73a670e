// Small files that came with the image: text from outside, maybe missing, huge, or links to
// anywhere.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::guest_init {

// The bytes of a regular file, at most `limit`; empty where there is none. Links are followed.
[[nodiscard]] std::string read_regular(const std::string& path, size_t limit = 64 * 1024);

// Puts a new file of mode 0644 in place of whatever has the name, a link or its target not
// included: a link is replaced, its target left alone. Folders that are missing are made.
Status replace_file(const std::string& path, std::string_view text);

}  // namespace anchorhold::guest_init
