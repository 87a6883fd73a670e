// Copying the few hundred KiB of metadata that an empty file system is, hole by hole.
#include "supervisor/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "supervisor/spec.h"

namespace anchorhold::supervisor {
namespace {

// No journal: the disk dies with its sandbox. Inode tables stay unwritten; init mounts with noinit_itable.
constexpr const char* kMkfsArguments[] = {
    "-q", "-F", "-O", "^has_journal,sparse_super2,^resize_inode", "-m", "0",
    "-E", "lazy_itable_init=1,nodiscard,packed_meta_blocks=1,num_backup_sb=0,root_owner=0:0", "-I", "256",
    nullptr};

// The name of an open file for a program that we start ourselves and that inherits it as descriptor 3.
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

// Copies the data extents of one sparse file to another of the same size.
Status copy_sparse(int from, int to, const std::string& object) {
    off_t position = 0;
    for (;;) {
        const off_t data = ::lseek(from, position, SEEK_DATA);
        if (data < 0) {
            return errno == ENXIO ? Status() : Status(fail_errno("lseek SEEK_DATA", object));
        }
        const off_t end = ::lseek(from, data, SEEK_HOLE);
        if (end < 0) {
            return fail_errno("lseek SEEK_HOLE", object);
        }
        off_t in = data;
        off_t out = data;
        while (in < end) {
            const ssize_t count =
                ::copy_file_range(from, &in, to, &out, static_cast<size_t>(end - in), 0);
            if (count > 0) {
                continue;
            }
            if (count < 0 && errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP) {
                return fail_errno("copy", object);
            }
            std::vector<std::byte> chunk(static_cast<size_t>(std::min<off_t>(end - in, 1 << 18)));
            ANCHORHOLD_TRY(sys::read_exact_at(from, chunk, static_cast<uint64_t>(in), object));
            const ssize_t written = ::pwrite(to, chunk.data(), chunk.size(), in);
            if (written < 0) {
                return fail_errno("write");
            }
            in += static_cast<off_t>(written);
            out = in;
        }
        position = end;
    }
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
    request.descriptors = {{nothing.get(), 0}, {nothing.get(), 1}, {nothing.get(), 2}, {disk, kChildDiskFd}};
    auto child = spawn(request);
    if (!child) {
        return tl::unexpected(
            child.error().within("disk of another size than the default needs mkfs.ext4 (e2fsprogs)"));
    }
    const ExitStatus status = ANCHORHOLD_TRY(child->wait());
    if (status.signal != 0 || status.code != 0) {
        return fail(fmt::format("disk: mkfs.ext4 could not format it in {} (is there space left?)", folder));
    }
    return {};
}

}  // namespace

const char* const* mkfs_arguments() { return kMkfsArguments; }

Result<OwnFd> make_disk(const DiskRequest& request) {
    OwnFd disk = ANCHORHOLD_TRY(make_nameless_file(request.folder));
    if (::ftruncate(disk.get(), static_cast<off_t>(request.bytes)) < 0) {
        return fail_errno("disk", fmt::format("of {} in {}", display_size(request.bytes), request.folder));
    }
    if (request.bytes == kDefaultDiskBytes && !request.template_file.empty()) {
        const auto source = sys::open(request.template_file, O_RDONLY);
        if (source) {
            const Status copied = copy_sparse(source->get(), disk.get(), request.template_file);
            if (!copied) {
                return tl::unexpected(copied.error().within("disk in " + request.folder));
            }
            return disk;
        }
        if (source.error().code != ENOENT) {
            return tl::unexpected(source.error());
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
