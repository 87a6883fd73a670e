// Nonblocking use of descriptors whose flags are not ours.
#include "exec/local_stdio.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/sys.h"

namespace anchorhold::exec {
namespace {

bool ready(int fd, short events) {
    pollfd entry{fd, events, 0};
    return ::poll(&entry, 1, 0) > 0;
}

Result<std::optional<size_t>> socket_result(ssize_t count, const char* call) {
    if (count >= 0) {
        return std::optional(static_cast<size_t>(count));
    }
    if (errno == EAGAIN || errno == EINTR) {
        return std::optional<size_t>();
    }
    return fail_errno(call);
}

}  // namespace

Result<LocalStdio> LocalStdio::open(int fd, Direction direction) {
    struct stat status {};
    if (::fstat(fd, &status) < 0) {
        return fail_errno("fstat", "descriptor " + std::to_string(fd));
    }
    const bool terminal = S_ISCHR(status.st_mode) && ::isatty(fd) != 0;
    if (S_ISFIFO(status.st_mode) || terminal) {
        const int access = direction == Direction::kRead ? O_RDONLY : O_WRONLY;
        auto own = sys::open("/proc/self/fd/" + std::to_string(fd), access | O_NONBLOCK | O_NOCTTY);
        if (own) {
            return LocalStdio(std::move(*own), Kind::kNonblocking);
        }
    }
    OwnFd copy = ANCHORHOLD_TRY(sys::dup_cloexec(fd));
    if (S_ISSOCK(status.st_mode)) {
        return LocalStdio(std::move(copy), Kind::kSocket);
    }
    const bool waits = S_ISFIFO(status.st_mode) || terminal;
    return LocalStdio(std::move(copy), waits ? Kind::kBlocking : Kind::kDirect);
}

Result<std::optional<size_t>> LocalStdio::read(std::span<std::byte> buffer) const {
    if (kind_ == Kind::kSocket) {
        return socket_result(::recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT), "recv");
    }
    if (kind_ == Kind::kBlocking && !ready(fd(), POLLIN)) {
        return std::optional<size_t>();
    }
    return sys::read_some(fd(), buffer);
}

Result<std::optional<size_t>> LocalStdio::write(std::string_view bytes) const {
    if (kind_ == Kind::kSocket) {
        return socket_result(::send(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
                             "send");
    }
    if (kind_ == Kind::kBlocking) {
        if (!ready(fd(), POLLOUT)) {
            return std::optional<size_t>();
        }
        bytes = bytes.substr(0, PIPE_BUF);
    }
    return sys::write_some(fd(), std::as_bytes(std::span(bytes)));
}

LocalOutput::LocalOutput(EventLoop& loop, LocalStdio stdio, Events events)
    : loop_(loop), stdio_(std::move(stdio)), events_(std::move(events)) {}

LocalOutput::~LocalOutput() {
    if (watched_) {
        loop_.remove(stdio_.fd());
    }
}

void LocalOutput::write(std::string_view bytes) {
    while (!bytes.empty() && !failed_) {
        const auto wrote = stdio_.write(bytes);
        if (!wrote) {
            failed_ = true;
            events_.failed(wrote.error());
            return;
        }
        if (!wrote->has_value()) {
            const Status watching =
                loop_.add(stdio_.fd(), EPOLLOUT, [this](uint32_t) { on_writable(); });
            if (!watching) {
                failed_ = true;
                events_.failed(watching.error());
                return;
            }
            watched_ = true;
            waiting_ = bytes;
            return;
        }
        bytes.remove_prefix(**wrote);
    }
}

void LocalOutput::on_writable() {
    loop_.remove(stdio_.fd());
    watched_ = false;
    write(std::exchange(waiting_, {}));
    if (flushed()) {
        events_.flushed();
    }
}

}  // namespace anchorhold::exec
