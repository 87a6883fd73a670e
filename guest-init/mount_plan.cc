// The tables, and mount(2).
#include "guest-init/mount_plan.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

namespace anchorhold::guest_init {
namespace {

constexpr unsigned long kInert = MS_NOSUID | MS_NODEV | MS_NOEXEC;

// Parents too: "/sys/fs/cgroup" on an image without /sys.
void make_directories(const std::string& path) {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        ::mkdir(path.substr(0, slash).c_str(), 0755);
        if (slash == std::string::npos) {
            return;
        }
    }
}

bool try_mount(const Mount& entry) {
    return ::mount(entry.source.c_str(), entry.target.c_str(), entry.type, entry.flags,
                   entry.options.empty() ? nullptr : entry.options.c_str()) == 0;
}

}  // namespace

std::vector<Mount> layer_mounts(UpperLayer upper) {
    std::vector<Mount> plan{
        {kImageDevice, kImagePoint, "erofs", MS_RDONLY | MS_NODEV | MS_NOATIME, ""},
    };
    if (upper == UpperLayer::kDisk) {
        // The disk lives as long as the sandbox: barriers would order writes for a crash that
        // nobody recovers from. Discarded blocks become holes on the host; zeroing inode tables in
        // the background would fill them.
        plan.push_back({kDiskDevice, kDiskPoint, "ext4", MS_NODEV | MS_NOATIME,
                        "nobarrier,discard,noinit_itable"});
    } else {
        plan.push_back({"tmpfs", kDiskPoint, "tmpfs", MS_NODEV | MS_NOATIME, "mode=0755"});
    }
    return plan;
}

std::vector<Mount> root_mounts(const std::string& root) {
    const auto at = [&root](const char* path) { return root + path; };
    return {
        {"overlay", root, "overlay", MS_NODEV | MS_NOATIME,
         "lowerdir=/image,upperdir=/disk/upper,workdir=/disk/work"},
        // A /dev of our own rather than devtmpfs: no disks, no vsock, no kmsg.
        {"tmpfs", at("/dev"), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k"},
        {"devpts", at("/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666"},
        {"tmpfs", at("/dev/shm"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"},
        // Processes of other users, init first, do not show.
        {"proc", at("/proc"), "proc", kInert, "hidepid=invisible"},
        {"sysfs", at("/sys"), "sysfs", kInert | MS_RDONLY, ""},
        {"tmpfs", at("/run"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"},
        // First where only init will see it, writable; then for the agent, read-only.
        {"cgroup2", kCgroupPoint, "cgroup2", kInert, "", Importance::kOptional},
        {"cgroup2", at("/sys/fs/cgroup"), "cgroup2", kInert, "", Importance::kOptional},
        {"none", at("/sys/fs/cgroup"), nullptr, kInert | MS_REMOUNT | MS_BIND | MS_RDONLY, "",
         Importance::kOptional},
    };
}

std::vector<Mount> seal_mounts(const std::string& root) {
    std::vector<Mount> plan;
    const auto bind_read_only = [&](const std::string& source, const std::string& target) {
        plan.push_back({source, target, nullptr, MS_BIND, "", Importance::kIfThere});
        plan.push_back({"none", target, nullptr, kInert | MS_REMOUNT | MS_BIND | MS_RDONLY, "",
                        Importance::kIfThere});
    };
    // Files of uid 0 that act on the whole kernel: an agent that runs as uid 0 owns them too.
    for (const char* path : {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq"}) {
        bind_read_only(root + path, root + path);
    }
    // The kernel's own cannot change after its first read; a file can, when a restored guest must
    // have a new one.
    bind_read_only(kBootIdFile, root + "/proc/sys/kernel/random/boot_id");
    // In the image's own files a resume would have to write to the disk.
    bind_read_only(kMachineIdFile, root + "/etc/machine-id");
    bind_read_only(kHostNameFile, root + "/etc/hostname");
    return plan;
}

Status mount_all(const std::vector<Mount>& plan, std::vector<std::string>& warnings) {
    for (const Mount& entry : plan) {
        bool done = try_mount(entry);
        if (!done && errno == ENOENT && entry.importance == Importance::kIfThere) {
            continue;
        }
        if (!done && errno == ENOENT) {
            make_directories(entry.target);
            done = try_mount(entry);
        }
        if (done) {
            continue;
        }
        const auto failed = fail_errno("mount", entry.source + " on " + entry.target);
        if (entry.importance == Importance::kRequired) {
            return failed;
        }
        warnings.push_back(failed.value().message);
    }
    return {};
}

}  // namespace anchorhold::guest_init
