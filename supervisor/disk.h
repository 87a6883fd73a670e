// The writable layer of a sandbox: a sparse ext4 file without a name, gone with its last
// descriptor.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::supervisor {

struct DiskRequest {
    uint64_t bytes = 0;
    std::string folder;  // on which file system it lives; made if missing
    std::string
        template_file;  // packed (disk_template.h), of kDefaultDiskBytes; used when `bytes` is that
};

// Makes the disk. Other sizes than the template's are formatted with mkfs.ext4. Nothing is left
// behind on failure.
[[nodiscard]] Result<OwnFd> make_disk(const DiskRequest& request);

// $XDG_CACHE_HOME/anchorhold/disks, or ~/.cache/anchorhold/disks, or /var/tmp where there is no
// home.
[[nodiscard]] std::string default_disk_folder();

}  // namespace anchorhold::supervisor
