// Folders that nobody else may look into.
#pragma once

#include <string>

#include "base/result.h"

namespace anchorhold {

// Makes `path` with mode 0700 where it is missing (make_private_folders: its parents, too, and
// takes the permission to look into one of ours from others, where they could not write to it).
// Refuses anything there that is not a real folder of ours that only we can enter.
[[nodiscard]] Status make_private_folder(const std::string& path);
[[nodiscard]] Status make_private_folders(const std::string& path);

// anchorhold/ below $XDG_RUNTIME_DIR or below /run/user/UID; /run/anchorhold for root;
// /tmp/anchorhold-UID where there is nothing better. Not made here.
[[nodiscard]] std::string runtime_folder_path();

// anchorhold/ below $XDG_STATE_HOME or below ~/.local/state; /var/lib/anchorhold for root without
// XDG_STATE_HOME. Not made here.
[[nodiscard]] Result<std::string> state_folder_path();

}  // namespace anchorhold
