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

// The same with a name, for a sandbox that comes back: opens the file `path`, or makes it. One that
// could not be filled is not left behind.
[[nodiscard]] Result<OwnFd> open_or_make_disk(const std::string& path, const DiskRequest& request);

// A new file without a name with the bytes of `source`: shared with it where the file system can
// (FICLONE), else a sparse copy. Nobody writes to `source` meanwhile.
[[nodiscard]] Result<OwnFd> clone_disk(int source, const std::string& folder);
// The same with a name, in place of a file that has it.
[[nodiscard]] Result<OwnFd> clone_disk_to(int source, const std::string& path);
// The same into `target`, an empty file.
[[nodiscard]] Status copy_disk(int source, int target);

// $XDG_CACHE_HOME/anchorhold/disks, or ~/.cache/anchorhold/disks, or /var/tmp where there is no
// home.
[[nodiscard]] std::string default_disk_folder();

}  // namespace anchorhold::supervisor
