// Packets between two ends of a real socketpair; whatever is refused leaks no descriptor.
#include "base/seqpacket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "base/sys.h"

namespace anchorhold {
namespace {

size_t open_descriptors() {
    using Iterator = std::filesystem::directory_iterator;
    return static_cast<size_t>(std::distance(Iterator("/proc/self/fd"), Iterator()));
}

ino_t inode_of(int fd) {
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0);
    return status.st_ino;
}

class SeqpacketTest : public testing::Test {
  protected:
    void SetUp() override {
        auto pair = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK).value();
        a = std::move(pair.first);
        b = std::move(pair.second);
    }

    // What a hostile peer does: sendmsg with bounds of its own.
    void send_raw(std::string_view bytes, const std::vector<int>& fds) const {
        iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        std::vector<std::byte> control(CMSG_SPACE(fds.size() * sizeof(int)));
        if (!fds.empty()) {
            header.msg_control = control.data();
            header.msg_controllen = control.size();
            cmsghdr* rights = CMSG_FIRSTHDR(&header);
            rights->cmsg_level = SOL_SOCKET;
            rights->cmsg_type = SCM_RIGHTS;
            rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
        }
        ASSERT_GE(::sendmsg(a.get(), &header, MSG_NOSIGNAL), 0);
    }

    void expect_refused_without_leak() {
        const size_t before = open_descriptors();
        const auto packet = receive_packet(b.get());
        ASSERT_FALSE(packet);
        EXPECT_EQ(packet.error().message,
                  "recvmsg packet from the other side is too large: Message too long");
        EXPECT_EQ(packet.error().code, EMSGSIZE);
        EXPECT_EQ(open_descriptors(), before);
    }

    OwnFd a;
    OwnFd b;
};

TEST_F(SeqpacketTest, packets_keep_their_boundaries_and_bytes) {
    ASSERT_TRUE(send_packet(a.get(), std::string_view("on\0e", 4)));
    ASSERT_TRUE(send_packet(a.get(), "two"));
    EXPECT_EQ(receive_packet(b.get()).value()->bytes, std::string("on\0e", 4));
    EXPECT_EQ(receive_packet(b.get()).value()->bytes, "two");
    EXPECT_FALSE(receive_packet(b.get()).value().has_value()) << "nothing more: would block";
}

TEST_F(SeqpacketTest, descriptors_arrive_in_order_close_on_exec_and_stay_the_senders) {
    const OwnFd first = sys::memfd("first", 1).value();
    const OwnFd second = sys::memfd("second", 1).value();
    const int fds[] = {first.get(), second.get()};
    ASSERT_TRUE(send_packet(a.get(), "two", fds));
    auto packet = receive_packet(b.get()).value();
    ASSERT_EQ(packet->fds.size(), 2U);
    EXPECT_EQ(inode_of(packet->fds[0].get()), inode_of(first.get()));
    EXPECT_EQ(inode_of(packet->fds[1].get()), inode_of(second.get()));
    EXPECT_NE(packet->fds[0].get(), first.get());
    for (const OwnFd& fd : packet->fds) {
        EXPECT_NE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    }
}

TEST_F(SeqpacketTest, largest_packet_with_most_descriptors_arrives_whole) {
    const std::vector<int> fds(kMaxPacketFds, b.get());
    const std::string bytes(kMaxPacketSize, 'x');
    ASSERT_TRUE(send_packet(a.get(), bytes, fds));
    const auto packet = receive_packet(b.get()).value();
    EXPECT_EQ(packet->bytes, bytes);
    EXPECT_EQ(packet->fds.size(), kMaxPacketFds);
}

TEST_F(SeqpacketTest, too_large_packet_is_not_sent) {
    const std::vector<int> fds(kMaxPacketFds + 1, b.get());
    EXPECT_EQ(send_packet(a.get(), std::string(kMaxPacketSize + 1, 'x')).error().code, EMSGSIZE);
    const Status sent = send_packet(a.get(), "x", fds);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().message, "sendmsg 1 bytes, 33 descriptors: Message too long");
    EXPECT_FALSE(receive_packet(b.get()).value().has_value());
}

TEST_F(SeqpacketTest, packet_one_byte_too_long_is_refused_and_its_descriptors_closed) {
    send_raw(std::string(kMaxPacketSize + 1, 'x'), {a.get(), b.get()});
    expect_refused_without_leak();
}

TEST_F(SeqpacketTest, packet_with_one_descriptor_too_many_is_refused_and_all_closed) {
    send_raw("x", std::vector<int>(kMaxPacketFds + 1, b.get()));
    expect_refused_without_leak();
}

TEST_F(SeqpacketTest, packet_with_the_kernels_most_descriptors_is_refused_and_all_closed) {
    send_raw("x", std::vector<int>(253, b.get()));
    expect_refused_without_leak();
}

TEST_F(SeqpacketTest, descriptors_beyond_our_own_limit_are_refused_and_all_closed) {
    rlimit found{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &found), 0);
    send_raw("x", std::vector<int>(8, b.get()));
    // Room for two more descriptors than are open; eight arrive.
    const rlimit tight{static_cast<rlim_t>(sys::event_fd().value().get()) + 2, found.rlim_max};
    const size_t before = open_descriptors();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    const auto packet = receive_packet(b.get());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &found), 0);
    EXPECT_FALSE(packet);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(SeqpacketTest, stream_goes_on_after_a_refused_packet) {
    send_raw(std::string(kMaxPacketSize + 1, 'x'), {});
    ASSERT_TRUE(send_packet(a.get(), "next"));
    EXPECT_FALSE(receive_packet(b.get()));
    EXPECT_EQ(receive_packet(b.get()).value()->bytes, "next");
}

TEST_F(SeqpacketTest, closed_peer_is_an_empty_packet_and_sending_an_error) {
    a.reset();
    EXPECT_EQ(receive_packet(b.get()).value()->bytes, "");
    const Status sent = send_packet(b.get(), "x");
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().message, "sendmsg: Broken pipe");
}

TEST_F(SeqpacketTest, full_buffer_is_would_block) {
    Status sent;
    for (int i = 0; i < 100'000 && sent; ++i) {
        sent = send_packet(a.get(), std::string(kMaxPacketSize, 'x'));
    }
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, EAGAIN);
}

TEST_F(SeqpacketTest, not_a_socket_is_an_error) {
    const OwnFd file = sys::memfd("file", 1).value();
    EXPECT_EQ(receive_packet(file.get()).error().code, ENOTSOCK);
    EXPECT_EQ(send_packet(file.get(), "x").error().code, ENOTSOCK);
}

}  // namespace
}  // namespace anchorhold
