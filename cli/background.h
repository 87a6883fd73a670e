// This program once more, on its own feet.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "supervisor/installation.h"

namespace anchorhold::cli {

// Starts `anchorhold <arguments>` without --background, in a session of its own with standard
// output and error in `log`, and waits until it says that it is ready (sd_notify(3)). One that ends
// before is an error with its last line.
Status start_in_background(const supervisor::Installation& installation,
                           const std::vector<std::string>& arguments, const std::string& log);

}  // namespace anchorhold::cli
