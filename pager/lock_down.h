// What the pager may still do once it reads anything.
#pragma once

#include "base/result.h"

namespace anchorhold::pager {

// For one that serves: read its files, fill pages, talk. Nothing opens, nothing is written.
[[nodiscard]] Status lock_down_server();
// For one that converts a file into another.
[[nodiscard]] Status lock_down_converter();

}  // namespace anchorhold::pager
