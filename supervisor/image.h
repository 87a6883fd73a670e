// Opening what a sandbox boots from, with checks that turn a broken file into one clear line before
// a VM exists.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::supervisor {

// Opens an EROFS image read-only. Refuses what is not EROFS or is shorter than its superblock says.
[[nodiscard]] Result<OwnFd> open_image(const std::string& path);

// Opens a kernel read-only. Refuses what does not begin like an ELF file or is empty.
[[nodiscard]] Result<OwnFd> open_kernel(const std::string& path);

}  // namespace anchorhold::supervisor
