// The file that holds what a machine is, all but its memory: a sealed payload (snapshot/sealed.h)
// that the VMM alone understands.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::snapshot {

// The most bytes a state may have; one of a small machine has some tens of thousands.
constexpr size_t kMaxState = size_t{16} << 20;

// The bytes of a state file. `payload` is at most kMaxState bytes.
[[nodiscard]] std::string seal_state(std::string_view payload);

// The payload, a part of `file`. The error is one line that says what is wrong with the file: not a
// snapshot, cut off (how far), bytes behind its end, damaged, of another version (which).
[[nodiscard]] Result<std::string_view> open_state(std::string_view file);

// The payload of the state file behind `fd`, which is read once, from its beginning, and never
// beyond the bound. Errors as above, or of the file.
[[nodiscard]] Result<std::string> read_state(int fd);

}  // namespace anchorhold::snapshot
