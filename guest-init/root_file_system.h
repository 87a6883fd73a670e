// From the initial RAM disk to the image's root with a writable layer on it.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "guest-init/uniqueness/identity_files.h"

namespace anchorhold::guest_init {

struct RootFileSystem {
    OwnFd disk;    // root of the writable layer, for sync at power-off
    OwnFd cgroup;  // root of a writable cgroup2 mount; empty where the kernel has none
    IdentityFiles identity;
    std::vector<std::string> warnings;
};

// Mounts everything below kRootPoint. The kernel must have found the disks already: they are built
// in and probed before init.
[[nodiscard]] Result<RootFileSystem> assemble_root();

// Seals /proc and makes the assembled tree the root of this process and all it will start. Settings
// in /proc/sys are written before.
Status switch_root(std::vector<std::string>& warnings);

}  // namespace anchorhold::guest_init
