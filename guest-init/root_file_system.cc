// Mount, populate /dev, move, chroot.
#include "guest-init/root_file_system.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.h"
#include "guest-init/mount_plan.h"

namespace anchorhold::guest_init {
namespace {

struct DeviceNode {
    const char* name;
    unsigned int major;
    unsigned int minor;
};
// Documentation/admin-guide/devices.txt
constexpr DeviceNode kDevices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                   {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

struct Link {
    const char* name;
    const char* target;
};
constexpr Link kLinks[] = {{"ptmx", "pts/ptmx"},
                           {"fd", "/proc/self/fd"},
                           {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"},
                           {"stderr", "/proc/self/fd/2"}};

Status populate_dev() {
    const OwnFd dev(::open("/root/dev", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const mode_t mask = ::umask(0);
    for (const DeviceNode& node : kDevices) {
        if (::mknodat(dev.get(), node.name, S_IFCHR | 0666, makedev(node.major, node.minor)) < 0) {
            return fail_errno("mknod", node.name);
        }
    }
    ::umask(mask);
    for (const Link& link : kLinks) {
        if (::symlinkat(link.target, dev.get(), link.name) < 0) {
            return fail_errno("symlink", link.name);
        }
    }
    return {};
}

// /tmp belongs to everybody; images made from archives sometimes lost its mode.
void open_tmp() {
    struct stat status {};
    if (::stat("/root/tmp", &status) < 0) {
        ::mkdir("/root/tmp", 01777);
    } else if ((status.st_mode & 07777) == 01777) {
        return;
    }
    ::chmod("/root/tmp", 01777);
}

}  // namespace

Result<RootFileSystem> assemble_root() {
    RootFileSystem result;
    const UpperLayer upper =
        ::access(kDiskDevice, F_OK) == 0 ? UpperLayer::kDisk : UpperLayer::kMemory;
    ANCHORHOLD_TRY(mount_all(layer_mounts(upper), result.warnings));
    for (const char* directory : {"/disk/upper", "/disk/work"}) {
        if (::mkdir(directory, 0755) < 0 && errno != EEXIST) {
            return fail_errno("mkdir", directory);
        }
    }
    ANCHORHOLD_TRY(mount_all(root_mounts(kRootPoint), result.warnings));
    ANCHORHOLD_TRY(populate_dev());
    open_tmp();
    result.identity = make_identity_files(kRootPoint, result.warnings);
    result.disk = ANCHORHOLD_TRY(sys::open(kDiskPoint, O_RDONLY | O_DIRECTORY));
    auto cgroup = sys::open(kCgroupPoint, O_RDONLY | O_DIRECTORY);
    if (cgroup) {
        result.cgroup = std::move(*cgroup);
    }
    return result;
}

Status switch_root(std::vector<std::string>& warnings) {
    ANCHORHOLD_TRY(mount_all(seal_mounts(kRootPoint), warnings));
    if (::chdir(kRootPoint) < 0) {
        return fail_errno("chdir", kRootPoint);
    }
    if (::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0) {
        return fail_errno("mount MS_MOVE", kRootPoint);
    }
    if (::chroot(".") < 0 || ::chdir("/") < 0) {
        return fail_errno("chroot", kRootPoint);
    }
    return {};
}

}  // namespace anchorhold::guest_init
