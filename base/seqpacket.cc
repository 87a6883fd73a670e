// sendmsg and recvmsg with SCM_RIGHTS, bounds on both.
#include "base/seqpacket.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace anchorhold {

Status send_packet(int socket, std::string_view bytes, std::span<const int> fds) {
    if (bytes.size() > kMaxPacketSize || fds.size() > kMaxPacketFds) {
        return fail_errno(EMSGSIZE, "sendmsg",
                          std::to_string(bytes.size()) + " bytes, " + std::to_string(fds.size()) +
                              " descriptors");
    }
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMaxPacketFds * sizeof(int))> control{};
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
        return fail_errno("sendmsg");
    }
    return {};
}

Result<std::optional<Packet>> receive_packet(int socket) {
    Packet packet;
    packet.bytes.resize(kMaxPacketSize);
    iovec part{packet.bytes.data(), packet.bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMaxPacketFds * sizeof(int))> control{};
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
            return std::optional<Packet>();
        }
        return fail_errno("recvmsg");
    }
    // Own every descriptor before judging the packet, so that a refused one leaks nothing.
    for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
         entry = CMSG_NXTHDR(&header, entry)) {
        if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (entry->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(entry) + i * sizeof(int), sizeof fd);
            packet.fds.emplace_back(fd);
        }
    }
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return fail_errno(EMSGSIZE, "recvmsg", "packet from the other side is too large");
    }
    packet.bytes.resize(static_cast<size_t>(got));
    return std::optional<Packet>(std::move(packet));
}

}  // namespace anchorhold
