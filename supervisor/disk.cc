// A file without a name, filled from the template or formatted.
#include "supervisor/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/spawn.h"
#include "base/sys.h"
#include "supervisor/disk_template.h"
#include "supervisor/spec.h"

namespace anchorhold::supervisor {
namespace {

// The same template on every machine; a disk's identity matters to nobody.
// No journal: the disk dies with its sandbox. Inode tables stay unwritten; init mounts with
// noinit_itable.
constexpr const char* kMkfsArguments[] = {
    "-q",
    "-F",
    "-O",
    "^has_journal,sparse_super2,^resize_inode",
    "-m",
    "0",
    "-E",
    "lazy_itable_init=1,nodiscard,packed_meta_blocks=1,num_backup_sb=0,root_owner=0:0,"
    "hash_seed=3c8f5b1e-7d5a-4c52-9c59-0a4f3a1d6e01",
    "-U",
    "3c8f5b1e-7d5a-4c52-9c59-0a4f3a1d6e01",
    "-I",
    "256",
    nullptr};

// The name of an open file for a program that we start ourselves and that inherits it as
// descriptor 3.
constexpr int kChildDiskFd = 3;

Result<OwnFd> make_nameless_file(const std::string& folder) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) {
        return fail_errno(failed.value(), "make folder", folder);
    }
    OwnFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file.valid()) {
        return file;
    }
    if (errno != EOPNOTSUPP && errno != EISDIR) {
        return fail_errno("disk", folder);
    }
    std::string name = folder + "/disk-XXXXXX";  // 9p and others know no O_TMPFILE
    file.reset(::mkostemp(name.data(), O_CLOEXEC));
    if (!file.valid()) {
        return fail_errno("disk", folder);
    }
    ::unlink(name.c_str());
    return file;
}

Status format(int disk, const std::string& folder) {
    SpawnRequest request;
    request.path = "/sbin/mkfs.ext4";
    request.arguments = {"mkfs.ext4"};
    for (const char* const* argument = kMkfsArguments; *argument != nullptr; ++argument) {
        request.arguments.emplace_back(*argument);
    }
    request.arguments.push_back(fmt::format("/proc/self/fd/{}", kChildDiskFd));
    request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MKE2FS_SYNC=0"};
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    request.descriptors = {
        {nothing.get(), 0}, {nothing.get(), 1}, {nothing.get(), 2}, {disk, kChildDiskFd}};
    auto child = spawn(request);
    if (!child) {
        return tl::unexpected(child.error().within(
            "disk of another size than the default needs mkfs.ext4 (e2fsprogs)"));
    }
    const ExitStatus status = ANCHORHOLD_TRY(child->wait());
    if (status.signal != 0 || status.code != 0) {
        return fail(fmt::format("disk: mkfs.ext4 could not format it in {} (is there space left?)",
                                folder));
    }
    return {};
}

// Makes an empty file the file system that was asked for.
Status fill(int disk, const DiskRequest& request) {
    if (::ftruncate(disk, static_cast<off_t>(request.bytes)) < 0) {
        return fail_errno("disk",
                          fmt::format("of {} in {}", display_size(request.bytes), request.folder));
    }
    if (request.bytes == kDefaultDiskBytes && !request.template_file.empty()) {
        const Status filled = unpack_disk(request.template_file, disk, request.bytes);
        if (filled) {
            return {};
        }
        if (filled.error().code != ENOENT) {
            return tl::unexpected(filled.error().within("disk in " + request.folder));
        }
    }
    return format(disk, request.folder);
}

}  // namespace

Result<OwnFd> make_disk(const DiskRequest& request) {
    OwnFd disk = ANCHORHOLD_TRY(make_nameless_file(request.folder));
    ANCHORHOLD_TRY(fill(disk.get(), request));
    return disk;
}

Result<OwnFd> open_or_make_disk(const std::string& path, const DiskRequest& request) {
    auto there = sys::open(path, O_RDWR | O_NOFOLLOW);
    if (there || there.error().code != ENOENT) {
        return there;
    }
    // Under another name until it is whole: a crash between leaves no half file system.
    const std::string beside = path + ".new";
    OwnFd disk = ANCHORHOLD_TRY(sys::open(beside, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    Status made = fill(disk.get(), request);
    if (made && ::rename(beside.c_str(), path.c_str()) < 0) {
        made = fail_errno("rename", beside);
    }
    if (!made) {
        ::unlink(beside.c_str());
        return tl::unexpected(made.error());
    }
    return disk;
}

Status copy_disk(int source, int target) {
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(source, "disk"));
    if (::ioctl(target, FICLONE, source) == 0) {
        return {};
    }
    if (::ftruncate(target, static_cast<off_t>(size)) < 0) {
        return fail_errno("ftruncate", "disk");
    }
    off_t position = 0;
    for (;;) {
        const off_t data = ::lseek(source, position, SEEK_DATA);
        if (data < 0) {
            return errno == ENXIO ? Status() : Status(fail_errno("lseek SEEK_DATA", "disk"));
        }
        position = ::lseek(source, data, SEEK_HOLE);
        if (position < 0) {
            return fail_errno("lseek SEEK_HOLE", "disk");
        }
        ANCHORHOLD_TRY(sys::copy_range(source, target, static_cast<uint64_t>(data),
                                       static_cast<uint64_t>(position - data), "disk"));
    }
}

Result<OwnFd> clone_disk(int source, const std::string& folder) {
    OwnFd disk = ANCHORHOLD_TRY(make_nameless_file(folder));
    ANCHORHOLD_TRY(copy_disk(source, disk.get()));
    return disk;
}

Result<OwnFd> clone_disk_to(int source, const std::string& path) {
    const std::string beside = path + ".new";
    OwnFd disk = ANCHORHOLD_TRY(sys::open(beside, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    Status made = copy_disk(source, disk.get());
    if (made && ::rename(beside.c_str(), path.c_str()) < 0) {
        made = fail_errno("rename", beside);
    }
    if (!made) {
        ::unlink(beside.c_str());
        return tl::unexpected(made.error());
    }
    return disk;
}

std::string default_disk_folder() {
    if (const char* cache = std::getenv("XDG_CACHE_HOME");  // NOLINT(concurrency-mt-unsafe)
        cache != nullptr && *cache == '/') {
        return std::string(cache) + "/anchorhold/disks";
    }
    if (const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
        home != nullptr && *home == '/') {
        return std::string(home) + "/.cache/anchorhold/disks";
    }
    return "/var/tmp";
}

}  // namespace anchorhold::supervisor
