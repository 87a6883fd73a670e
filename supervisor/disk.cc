// A file without a name, filled from the template or formatted.
#include "supervisor/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
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

}  // namespace

Result<OwnFd> make_disk(const DiskRequest& request) {
    OwnFd disk = ANCHORHOLD_TRY(make_nameless_file(request.folder));
    if (::ftruncate(disk.get(), static_cast<off_t>(request.bytes)) < 0) {
        return fail_errno("disk",
                          fmt::format("of {} in {}", display_size(request.bytes), request.folder));
    }
    if (request.bytes == kDefaultDiskBytes && !request.template_file.empty()) {
        const Status filled = unpack_disk(request.template_file, disk.get(), request.bytes);
        if (filled) {
            return disk;
        }
        if (filled.error().code != ENOENT) {
            return tl::unexpected(filled.error().within("disk in " + request.folder));
        }
    }
    ANCHORHOLD_TRY(format(disk.get(), request.folder));
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
