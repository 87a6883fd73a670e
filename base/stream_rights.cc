// sendmsg and recvmsg with SCM_RIGHTS on a stream.
#include "base/stream_rights.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace anchorhold {

Result<std::optional<size_t>> send_with_fds(int socket, std::string_view bytes,
                                            std::span<const int> fds) {
    ANCHORHOLD_CHECK(fds.size() <= kMaxStreamFds && !bytes.empty());
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMaxStreamFds * sizeof(int))> control{};
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno == EAGAIN) {
            return std::optional<size_t>();
        }
        return fail_errno("sendmsg");
    }
    return std::optional<size_t>(static_cast<size_t>(sent));
}

Result<std::optional<ReceivedBytes>> receive_with_fds(int socket, std::span<std::byte> buffer) {
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMaxStreamFds * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN) {
            return std::optional<ReceivedBytes>();
        }
        return fail_errno("recvmsg");
    }
    ReceivedBytes received;
    received.count = static_cast<size_t>(got);
    for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
         entry = CMSG_NXTHDR(&header, entry)) {
        if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(entry) + i * sizeof(int), sizeof fd);
            received.fds.emplace_back(fd);
        }
    }
    if ((header.msg_flags & MSG_CTRUNC) != 0) {
        return fail_errno(EMSGSIZE, "recvmsg", "too many descriptors from the other side");
    }
    return std::optional<ReceivedBytes>(std::move(received));
}

}  // namespace anchorhold
