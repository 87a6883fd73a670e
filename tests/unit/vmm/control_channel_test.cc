// The control socket from the supervisor's side.
#include "vmm/control/control_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/sys.h"

namespace anchorhold::vmm {
namespace {

class ControlChannelTest : public testing::Test {
  protected:
    void SetUp() override {
        auto pair = sys::socket_pair(SOCK_SEQPACKET);
        ASSERT_TRUE(pair);
        supervisor_ = std::move(pair->first);
        channel_ =
            std::make_unique<ControlChannel>(std::move(pair->second), std::chrono::milliseconds(1));
        auto loop = EventLoop::create();
        ASSERT_TRUE(loop);
        loop_ = std::move(*loop);
    }
    void serve() {
        ASSERT_TRUE(channel_->serve(
            *loop_,
            [this](proto::VmmCommand command, std::vector<OwnFd>) { got_.push_back(command); },
            [this] { ++gone_; }));
    }
    void turn() { ASSERT_TRUE(loop_->run_once(std::chrono::seconds(5))); }

    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<ControlChannel> channel_;
    OwnFd supervisor_;
    std::vector<proto::VmmCommand> got_;
    int gone_ = 0;
};

proto::VmmEvent console(size_t bytes) {
    proto::VmmEvent event;
    event.mutable_console()->set_data(std::string(bytes, 'x'));
    return event;
}

TEST_F(ControlChannelTest, first_packet_after_end_of_file_is_an_error) {
    supervisor_.reset();
    EXPECT_FALSE(channel_->receive());
}

TEST_F(ControlChannelTest, command_reaches_its_handler) {
    serve();
    proto::VmmCommand command;
    command.mutable_set_balloon()->set_target_bytes(4096);
    ASSERT_TRUE(send_packet(supervisor_.get(), command.SerializeAsString()));
    turn();
    ASSERT_EQ(got_.size(), 1U);
    EXPECT_EQ(got_[0].set_balloon().target_bytes(), 4096U);
}

TEST_F(ControlChannelTest, end_of_file_is_told_once) {
    serve();
    supervisor_.reset();
    turn();
    EXPECT_EQ(gone_, 1);
}

TEST_F(ControlChannelTest, malformed_command_ends_the_channel) {
    serve();
    ASSERT_TRUE(send_packet(supervisor_.get(), "\xff\xff"));
    turn();
    EXPECT_EQ(gone_, 1);
}

TEST_F(ControlChannelTest, events_queue_while_nobody_reads_and_console_output_is_dropped) {
    serve();
    constexpr int kSent = 400;
    for (int i = 0; i < kSent; ++i) {
        channel_->send(console(1024), ControlChannel::Delivery::kDroppable);
    }
    proto::VmmEvent last;
    last.mutable_statistics()->set_exits_io(7);
    channel_->send(last);
    ASSERT_TRUE(sys::set_nonblocking(supervisor_.get()));
    int received = 0;
    proto::VmmEvent event;
    for (int idle = 0; idle < 2;) {
        const auto packet = receive_packet(supervisor_.get());
        ASSERT_TRUE(packet);
        if (!*packet) {
            turn();  // lets the queue flow
            ++idle;
            continue;
        }
        idle = 0;
        ++received;
        ASSERT_TRUE(event.ParseFromString((*packet)->bytes));
        if (event.has_statistics()) {
            break;
        }
    }
    EXPECT_EQ(event.statistics().exits_io(), 7U);
    EXPECT_LT(received, kSent);
}

TEST_F(ControlChannelTest, last_word_gives_up_on_a_supervisor_that_does_not_read) {
    serve();
    Status sent;
    for (int i = 0; i < 10000 && sent; ++i) {
        sent = channel_->send_last(console(2048));
    }
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, ETIMEDOUT);
}

}  // namespace
}  // namespace anchorhold::vmm
