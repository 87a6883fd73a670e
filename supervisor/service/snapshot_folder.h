// The files of a sandbox that was put away, both encrypted (vault/vault.h).
#pragma once

#include <string>

#include "base/result.h"

namespace anchorhold::service {

constexpr const char* kStateFile = "state.sealed";
constexpr const char* kMemoryFile = "memory.sealed";

// What binds the files of one snapshot together and tells them from another's: the folder's last
// number.
[[nodiscard]] std::string snapshot_generation(const std::string& folder);

// All files of it, and it, are on the disk.
[[nodiscard]] Status sync_folder(const std::string& folder);

}  // namespace anchorhold::service
