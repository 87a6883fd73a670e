// pwritev2 (see sys::read_exact_at) and lseek.
#include "snapshot/file_io.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace anchorhold::snapshot {

Status write_at(int fd, std::span<const std::byte> bytes, uint64_t offset,
                std::string_view object) {
    while (!bytes.empty()) {
        const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
        const ssize_t count = ::pwritev2(fd, &piece, 1, static_cast<off_t>(offset), 0);
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail_errno("write", object);
        }
        bytes = bytes.subspan(static_cast<size_t>(count));
        offset += static_cast<uint64_t>(count);
    }
    return {};
}

Result<std::optional<Extent>> next_data(int fd, uint64_t from, uint64_t limit,
                                        std::string_view object) {
    const off_t begin = ::lseek(fd, static_cast<off_t>(from), SEEK_DATA);
    if (begin < 0) {
        if (errno == ENXIO) {
            return std::optional<Extent>();
        }
        return fail_errno("lseek SEEK_DATA", object);
    }
    if (static_cast<uint64_t>(begin) >= limit) {
        return std::optional<Extent>();
    }
    const off_t end = ::lseek(fd, begin, SEEK_HOLE);
    if (end < 0) {
        return fail_errno("lseek SEEK_HOLE", object);
    }
    return Extent{static_cast<uint64_t>(begin), std::min(static_cast<uint64_t>(end), limit)};
}

}  // namespace anchorhold::snapshot
