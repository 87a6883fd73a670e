// What init mounts where, as data, and the one function that does it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace anchorhold::guest_init {

enum class Importance {
    kRequired,  // the guest cannot start without it
    kOptional,  // goes on with a warning
    kIfThere,   // as kOptional, and silently where this kernel has no such target
};

struct Mount {
    std::string source;  // a device, a file system's name, or a path to bind
    std::string target;
    const char* type;  // nullptr for flags that need none (bind, remount)
    unsigned long flags;
    std::string options;
    Importance importance = Importance::kRequired;
};

// The image's root is on a block device; the writable layer is too where there is a second one.
enum class UpperLayer { kDisk, kMemory };

// Device nodes, image, upper layer; before directories for overlay are made in it.
[[nodiscard]] std::vector<Mount> layer_mounts(UpperLayer upper);

// The overlay and what stands on it, with paths below `root`. Directories an image lacks are made
// on the way.
[[nodiscard]] std::vector<Mount> root_mounts(const std::string& root);

// What becomes read-only or covered in /proc once init has written its settings.
[[nodiscard]] std::vector<Mount> seal_mounts(const std::string& root);

// Mounts in order; a target that is missing is made. Fails at the first required mount that fails.
Status mount_all(const std::vector<Mount>& plan, std::vector<std::string>& warnings);

// Where things are before the root is switched.
inline constexpr const char* kImageDevice = "/dev/vda";
inline constexpr const char* kDiskDevice = "/dev/vdb";
inline constexpr const char* kImagePoint = "/image";
inline constexpr const char* kDiskPoint = "/disk";
inline constexpr const char* kRootPoint = "/root";
inline constexpr const char* kCgroupPoint = "/cgroup";
inline constexpr const char* kBootIdFile = "/boot_id";
inline constexpr const char* kMachineIdFile = "/machine_id";
inline constexpr const char* kHostNameFile = "/host_name";

}  // namespace anchorhold::guest_init
