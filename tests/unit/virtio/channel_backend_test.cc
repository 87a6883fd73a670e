#include "virtio/vsock/channel_backend.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/vmm_control.pb.h"

namespace anchorhold::virtio {
namespace {

class ChannelBackendTest : public testing::Test {
  protected:
    void SetUp() override {
        auto pair = sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK);
        ASSERT_TRUE(pair.has_value());
        server_ = std::move(pair->second);
        const std::array<uint32_t, 2> ports = {80, 443};
        ASSERT_TRUE(backend_.add_channel(std::move(pair->first), ports));
    }
    ChannelBackend backend_;
    OwnFd server_;
};

TEST_F(ChannelBackendTest, open_sends_the_far_end_and_says_who_asks) {
    auto ours = backend_.open(5000, 443);
    ASSERT_TRUE(ours.has_value());
    EXPECT_NE(::fcntl(ours->get(), F_GETFL) & O_NONBLOCK, 0);
    auto packet = receive_packet(server_.get());
    ASSERT_TRUE(packet.has_value() && packet->has_value());
    proto::GuestStream message;
    ASSERT_TRUE(message.ParseFromString((*packet)->bytes));
    EXPECT_EQ(message.guest_port(), 5000U);
    EXPECT_EQ(message.host_port(), 443U);
    ASSERT_EQ((*packet)->fds.size(), 1U);
    ASSERT_TRUE(sys::write_all((*packet)->fds[0].get(), "hi"));
    std::array<std::byte, 8> buffer{};
    EXPECT_EQ(sys::read_some(ours->get(), buffer).value().value_or(0), 2U);
}

TEST_F(ChannelBackendTest, open_of_an_unserved_port_is_refused) {
    EXPECT_FALSE(backend_.open(5000, 22).has_value());
}

TEST_F(ChannelBackendTest, open_on_a_full_channel_is_refused_and_leaks_nothing) {
    int opened = 0;
    while (opened < 100'000) {
        auto stream = backend_.open(1, 80);
        if (!stream) {
            EXPECT_EQ(stream.error().code, EAGAIN) << stream.error().message;
            break;
        }
        ++opened;
    }
    ASSERT_LT(opened, 100'000);
    ASSERT_TRUE(receive_packet(server_.get()).has_value());
    EXPECT_TRUE(backend_.open(1, 80).has_value()) << "only that one connection was refused";
}

TEST_F(ChannelBackendTest, open_on_a_channel_whose_server_left_is_refused) {
    server_.reset();
    EXPECT_FALSE(backend_.open(1, 80).has_value());
}

}  // namespace
}  // namespace anchorhold::virtio
