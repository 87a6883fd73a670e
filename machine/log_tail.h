// The end of a log, for an error message.
#pragma once

#include <string>

namespace anchorhold::machine {

// The last lines of a text file that say something, joined by " | " and safe to print; "" where
// there is none. Reads at most the file's last 4 KiB.
[[nodiscard]] std::string last_lines(const std::string& path, size_t count);

}  // namespace anchorhold::machine
