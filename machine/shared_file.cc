// Link, clone or copy, each into a new folder so that names cannot collide.
#include "machine/shared_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/sys.h"
#include "machine/runtime_folder.h"

namespace anchorhold::machine {
namespace {

constexpr size_t kCopyPiece = 1 << 20;

// Copies some of what is at `offset` and returns how much; 0 when the file ends before it. The
// kernel copies where both file systems let it.
Result<size_t> copy_some(int from, int to, off_t offset, size_t size, const std::string& path) {
    off_t in = offset;
    off_t out = offset;
    const ssize_t copied = ::copy_file_range(from, &in, to, &out, size, 0);
    if (copied >= 0) {
        return static_cast<size_t>(copied);
    }
    std::vector<std::byte> bytes(std::min(size, kCopyPiece));
    const ssize_t got = ::pread(from, bytes.data(), bytes.size(), offset);
    if (got < 0) {
        return fail_errno("read", path);
    }
    const ssize_t written = ::pwrite(to, bytes.data(), static_cast<size_t>(got), offset);
    if (written < 0) {
        return fail_errno("write", "copy of " + path);
    }
    return static_cast<size_t>(written);
}

// Copies the data between holes.
Status copy_data(int from, int to, uint64_t size, const std::string& path) {
    if (::ftruncate(to, static_cast<off_t>(size)) < 0) {
        return fail_errno("ftruncate", "copy of " + path);
    }
    const auto end = static_cast<off_t>(size);
    off_t data = ::lseek(from, 0, SEEK_DATA);
    while (data >= 0 && data < end) {
        const off_t hole = std::min(::lseek(from, data, SEEK_HOLE), end);
        while (data < hole) {
            const size_t copied =
                ANCHORHOLD_TRY(copy_some(from, to, data, static_cast<size_t>(hole - data), path));
            if (copied == 0) {
                return fail(path + " became shorter while it was copied");
            }
            data += static_cast<off_t>(copied);
        }
        data = ::lseek(from, hole, SEEK_DATA);
    }
    return {};
}

Status place(int source, const std::string& path, const std::string& target) {
    if (sys::link_file(source, target)) {
        return {};
    }
    const OwnFd copy = ANCHORHOLD_TRY(sys::open(target, O_WRONLY | O_CREAT | O_EXCL, 0600));
    if (::ioctl(copy.get(), FICLONE, source) == 0) {
        return {};
    }
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(source, path));
    return copy_data(source, copy.get(), size, path);
}

}  // namespace

Result<SharedFile> SharedFile::lend(const std::string& share, const std::string& path) {
    const OwnFd source = ANCHORHOLD_TRY(sys::open(path, O_RDONLY | O_NONBLOCK));
    struct stat status {};
    if (::fstat(source.get(), &status) < 0) {
        return fail_errno("fstat", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(path + " is not a regular file", EINVAL);
    }
    std::string folder = share + "/XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
        return fail_errno("mkdtemp", folder);
    }
    const std::string name = std::filesystem::path(path).filename().string();
    SharedFile shared(folder, std::string(kShareMount) + folder.substr(share.size()) + "/" + name);
    ANCHORHOLD_TRY(place(source.get(), path, folder + "/" + name));
    return shared;
}

SharedFile::SharedFile(std::string folder, std::string inside)
    : folder_(std::move(folder)), inside_(std::move(inside)) {}

SharedFile::SharedFile(SharedFile&& other) noexcept
    : folder_(std::exchange(other.folder_, {})), inside_(std::move(other.inside_)) {}

SharedFile& SharedFile::operator=(SharedFile&& other) noexcept {
    if (this != &other) {
        remove();
        folder_ = std::exchange(other.folder_, {});
        inside_ = std::move(other.inside_);
    }
    return *this;
}

SharedFile::~SharedFile() {
    remove();
}

void SharedFile::remove() {
    if (!folder_.empty()) {
        remove_tree(folder_);
        folder_.clear();
    }
}

}  // namespace anchorhold::machine
