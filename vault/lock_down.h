// What the vault may still do once it has the key.
#pragma once

#include "base/result.h"

namespace anchorhold::vault {

// Makes the cryptography load whatever it loads lazily, then gives up everything but reading and
// writing open files. Where this process may lock memory without bound, none of it is swapped.
[[nodiscard]] Status lock_down();

}  // namespace anchorhold::vault
