// Memory files of one form made from another (supervisor/memory_backend.h), each by a process of
// its own.
#pragma once

#include "base/result.h"
#include "supervisor/installation.h"
#include "supervisor/memory_backend.h"

namespace anchorhold::supervisor {

// Writes the memory in `source`, a file of the other form, into `target`, an empty file, in the
// form `form`: by anchorhold-pager, so that what unpacks a file is locked down. Waits for it. What
// it read is not compared with any digest.
[[nodiscard]] Status convert_memory(const Installation& installation, int source, int target,
                                    MemoryForm form);

}  // namespace anchorhold::supervisor
