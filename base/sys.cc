// System calls with errors that explain themselves.
#include "base/sys.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace anchorhold::sys {
namespace {

template <typename Call>
auto retry(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR) {
        result = call();
    }
    return result;
}

Result<std::optional<size_t>> transferred(ssize_t count, const char* call) {
    if (count >= 0) {
        return std::optional<size_t>(static_cast<size_t>(count));
    }
    if (errno == EAGAIN) {
        return std::optional<size_t>();
    }
    return fail_errno(call);
}

// At most `length` bytes through a buffer; how many.
ssize_t copy_some(int source, int target, off64_t offset, uint64_t length) {
    std::array<std::byte, 64 * 1024> buffer;
    const ssize_t count = retry([&] {
        return ::pread(source, buffer.data(), std::min<uint64_t>(length, buffer.size()), offset);
    });
    ssize_t written = 0;
    while (written < count) {
        const ssize_t some = retry([&] {
            return ::pwrite(target, buffer.data() + written, static_cast<size_t>(count - written),
                            offset + written);
        });
        if (some < 0) {
            return some;
        }
        written += some;
    }
    return count;
}

// fstat(2) itself: libc's goes by newfstatat(2), which takes paths.
int status_of(int fd, struct stat& status) {
    return static_cast<int>(::syscall(SYS_fstat, fd, &status));
}

}  // namespace

Result<OwnFd> open(const std::string& path, int flags, mode_t mode) {
    OwnFd fd(retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
    if (!fd.valid()) {
        return fail_errno("open", path);
    }
    return fd;
}

Result<OwnFd> dup_cloexec(int fd) {
    OwnFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) {
        return fail_errno("fcntl F_DUPFD_CLOEXEC", std::to_string(fd));
    }
    return copy;
}

Result<Pipe> pipe(int flags) {
    int ends[2];
    if (::pipe2(ends, flags | O_CLOEXEC) < 0) {
        return fail_errno("pipe2");
    }
    return Pipe{OwnFd(ends[0]), OwnFd(ends[1])};
}

Result<std::pair<OwnFd, OwnFd>> socket_pair(int type) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0) {
        return fail_errno("socketpair");
    }
    return std::pair(OwnFd(ends[0]), OwnFd(ends[1]));
}

Result<OwnFd> memfd(const char* name, uint64_t size, unsigned flags) {
    OwnFd fd(::memfd_create(name, flags | MFD_CLOEXEC));
    if (!fd.valid()) {
        return fail_errno("memfd_create", name);
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) < 0) {
        return fail_errno("ftruncate",
                          std::string(name) + " to " + std::to_string(size) + " bytes");
    }
    return fd;
}

Result<OwnFd> event_fd(int flags) {
    OwnFd fd(::eventfd(0, flags | EFD_CLOEXEC));
    if (!fd.valid()) {
        return fail_errno("eventfd");
    }
    return fd;
}

Result<OwnFd> pidfd_open(pid_t pid) {
    OwnFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd.valid()) {
        return fail_errno("pidfd_open", std::to_string(pid));
    }
    return fd;
}

Result<std::optional<size_t>> read_some(int fd, std::span<std::byte> buffer) {
    return transferred(retry([&] { return ::read(fd, buffer.data(), buffer.size()); }), "read");
}

Result<std::optional<size_t>> write_some(int fd, std::span<const std::byte> bytes) {
    return transferred(retry([&] { return ::write(fd, bytes.data(), bytes.size()); }), "write");
}

Status write_all(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = retry([&] { return ::write(fd, bytes.data(), bytes.size()); });
        if (count < 0) {
            return fail_errno("write");
        }
        bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return {};
}

Status write_all(int fd, std::string_view text) {
    return write_all(fd, std::as_bytes(std::span(text.data(), text.size())));
}

Status read_exact_at(int fd, std::span<std::byte> buffer, uint64_t offset,
                     std::string_view object) {
    while (!buffer.empty()) {
        // preadv2, since that is what disks need: one call fewer in a filter.
        const iovec piece{buffer.data(), buffer.size()};
        const ssize_t count =
            retry([&] { return ::preadv2(fd, &piece, 1, static_cast<off_t>(offset), 0); });
        if (count < 0) {
            return fail_errno("read", object);
        }
        if (count == 0) {
            return fail("read " + std::string(object) + ": ends at byte " + std::to_string(offset) +
                        ", " + std::to_string(buffer.size()) + " bytes short");
        }
        buffer = buffer.subspan(static_cast<size_t>(count));
        offset += static_cast<uint64_t>(count);
    }
    return {};
}

Status copy_range(int source, int target, uint64_t offset, uint64_t length,
                  std::string_view object) {
    auto from = static_cast<off64_t>(offset);
    off64_t to = from;
    while (length > 0) {
        ssize_t copied = ::copy_file_range(source, &from, target, &to, length, 0);
        // Between file systems of two kinds the kernel does not.
        if (copied < 0 && errno == EXDEV) {
            copied = copy_some(source, target, from, length);
            from = to = from + std::max<ssize_t>(copied, 0);
        }
        if (copied == 0) {
            return fail("copy of " + std::string(object) + ": the source ends too soon");
        }
        if (copied < 0 && errno != EINTR) {
            return fail_errno("copy_file_range", object);
        }
        length -= static_cast<uint64_t>(copied > 0 ? copied : 0);
    }
    return {};
}

Result<std::string> read_file(const std::string& path, size_t limit) {
    const OwnFd fd = ANCHORHOLD_TRY(sys::open(path, O_RDONLY));
    std::string content;
    char chunk[4096];
    for (;;) {
        const ssize_t count = retry([&] { return ::read(fd.get(), chunk, sizeof chunk); });
        if (count < 0) {
            return fail_errno("read", path);
        }
        if (count == 0) {
            return content;
        }
        content.append(chunk, static_cast<size_t>(count));
        if (content.size() > limit) {
            return fail("read " + path + ": larger than " + std::to_string(limit) + " bytes");
        }
    }
}

Status write_file(const std::string& path, std::string_view content) {
    const OwnFd fd = ANCHORHOLD_TRY(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    const Status written = write_all(fd.get(), content);
    if (!written) {
        return tl::unexpected(written.error().within(path));
    }
    return {};
}

Result<uint64_t> bytes_on_disk(int fd, std::string_view object) {
    struct stat status {};
    if (status_of(fd, status) < 0) {
        return fail_errno("fstat", object);
    }
    constexpr uint64_t kBlock = 512;  // st_blocks' unit, whatever st_blksize says (stat(2))
    return static_cast<uint64_t>(status.st_blocks) * kBlock;
}

Status link_file(int fd, const std::string& path) {
    const std::string self = "/proc/self/fd/" + std::to_string(fd);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) < 0) {
        return fail_errno("link", path);
    }
    return {};
}

Result<uint64_t> file_size(int fd, std::string_view object) {
    struct stat status {};
    if (status_of(fd, status) < 0) {
        return fail_errno("fstat", object);
    }
    if (S_ISBLK(status.st_mode)) {
        uint64_t size = 0;
        if (::ioctl(fd, BLKGETSIZE64, &size) < 0) {
            return fail_errno("ioctl BLKGETSIZE64", object);
        }
        return size;
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(std::string(object) + " is neither a regular file nor a block device", EINVAL);
    }
    return static_cast<uint64_t>(status.st_size);
}

Status set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return fail_errno("fcntl O_NONBLOCK", std::to_string(fd));
    }
    return {};
}

Status raise_descriptor_limit() {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) < 0) {
        return fail_errno("getrlimit", "RLIMIT_NOFILE");
    }
    files.rlim_cur = files.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &files) == 0 ? Status()
                                                   : fail_errno("setrlimit", "RLIMIT_NOFILE");
}

}  // namespace anchorhold::sys
