// The system calls we use, as functions that return a Result naming the call, its object and the
// errno text. Interrupted calls are retried here and nowhere else.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::sys {

// open(2) with O_CLOEXEC added.
[[nodiscard]] Result<OwnFd> open(const std::string& path, int flags, mode_t mode = 0);
[[nodiscard]] Result<OwnFd> dup_cloexec(int fd);

struct Pipe {
    OwnFd read_end;
    OwnFd write_end;
};
[[nodiscard]] Result<Pipe> pipe(int flags = 0);  // O_CLOEXEC is added

// A connected pair of AF_UNIX sockets; `type` is SOCK_STREAM or SOCK_SEQPACKET with flags such as
// SOCK_NONBLOCK; SOCK_CLOEXEC is added.
[[nodiscard]] Result<std::pair<OwnFd, OwnFd>> socket_pair(int type);
[[nodiscard]] Result<OwnFd> memfd(const char* name, uint64_t size,
                                  unsigned flags = 0);  // MFD_CLOEXEC is added
[[nodiscard]] Result<OwnFd> event_fd(int flags = 0);    // EFD_CLOEXEC is added
[[nodiscard]] Result<OwnFd> pidfd_open(pid_t pid);

// read(2) and write(2). A Result of nullopt means "would block" (EAGAIN); 0 from read is end of
// file.
[[nodiscard]] Result<std::optional<size_t>> read_some(int fd, std::span<std::byte> buffer);
[[nodiscard]] Result<std::optional<size_t>> write_some(int fd, std::span<const std::byte> bytes);

// Writes everything to a blocking descriptor.
[[nodiscard]] Status write_all(int fd, std::span<const std::byte> bytes);
[[nodiscard]] Status write_all(int fd, std::string_view text);

// Reads exactly buffer.size() bytes at `offset`; end of file before that is an error naming
// `object`.
[[nodiscard]] Status read_exact_at(int fd, std::span<std::byte> buffer, uint64_t offset,
                                   std::string_view object);

// Copies `length` bytes from `offset` on to the same place of `target`, in the kernel where it can.
// The source has them all.
[[nodiscard]] Status copy_range(int source, int target, uint64_t offset, uint64_t length,
                                std::string_view object);

// A whole file of at most `limit` bytes.
[[nodiscard]] Result<std::string> read_file(const std::string& path, size_t limit = 1 << 20);
[[nodiscard]] Status write_file(const std::string& path, std::string_view content);

[[nodiscard]] Result<uint64_t> file_size(
    int fd, std::string_view object);  // of a regular file or block device
// What a file takes of its file system, holes left out.
[[nodiscard]] Result<uint64_t> bytes_on_disk(int fd, std::string_view object);
// Gives an open file, which may have none (O_TMPFILE), the name `path`, on its own file system.
[[nodiscard]] Status link_file(int fd, const std::string& path);
[[nodiscard]] Status set_nonblocking(int fd);

// As many descriptors as this process may have at all: the usual 1,024 are for programs that use
// select(2). Children inherit it.
[[nodiscard]] Status raise_descriptor_limit();

}  // namespace anchorhold::sys
