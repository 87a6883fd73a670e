// FrameStream against a socket whose other end the test holds.
#include "exec/frame_stream.h"

#include "base/endian.h"
#include "exec_rig.h"
#include "proto/exec.pb.h"

namespace anchorhold::exec::test {
namespace {

class Recorder final : public FrameStream::Handler {
  public:
    void on_frame(std::string_view message) override {
        frames.emplace_back(message);
        if (on_each) {
            on_each();
        }
    }
    void on_drained() override { ++drained; }
    void on_lost(const Error& error) override { lost.push_back(error.message); }

    std::vector<std::string> frames;
    std::vector<std::string> lost;
    std::function<void()> on_each;
    int drained = 0;
};

class FrameStreamTest : public ExecTest {
  protected:
    void write(std::string_view bytes) { ASSERT_TRUE(sys::write_all(peer.get(), bytes)); }
    static std::string frame(std::string_view message) {
        const Le32 length(static_cast<uint32_t>(message.size()));
        return std::string(reinterpret_cast<const char*>(&length), sizeof length) +
               std::string(message);
    }

    std::pair<OwnFd, OwnFd> pair = sys::socket_pair(SOCK_STREAM).value();
    OwnFd peer = std::move(pair.second);
    Recorder recorder;
    FrameStream stream{*loop, std::move(pair.first), 100, recorder};
};

TEST_F(FrameStreamTest, frames_cut_anywhere_arrive_whole) {
    const std::string bytes = frame("one") + frame("") + frame("three");
    for (const char byte : bytes) {
        write(std::string_view(&byte, 1));
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
    EXPECT_EQ(recorder.frames, (std::vector<std::string>{"one", "", "three"}));
}

TEST_F(FrameStreamTest, oversized_frame_ends_the_stream) {
    write(frame(std::string(101, 'x')));
    run_until(*loop, [&] { return !recorder.lost.empty(); });
    EXPECT_TRUE(recorder.frames.empty());
    EXPECT_FALSE(stream.open());
}

TEST_F(FrameStreamTest, end_inside_a_frame_is_told) {
    write(frame("whole") + "\x05");
    peer.reset();
    run_until(*loop, [&] { return !recorder.lost.empty(); });
    EXPECT_EQ(recorder.frames.size(), 1U);
    EXPECT_EQ(recorder.lost, std::vector<std::string>{"stream ended inside a frame"});
}

TEST_F(FrameStreamTest, paused_stream_delivers_the_rest_on_resume) {
    recorder.on_each = [&] { stream.pause(); };
    write(frame("one") + frame("two"));
    run_until(*loop, [&] { return recorder.frames.size() == 1; });
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_EQ(recorder.frames.size(), 1U);
    stream.resume();
    run_until(*loop, [&] { return recorder.frames.size() == 2; });
}

TEST_F(FrameStreamTest, paused_stream_does_not_spin_on_a_hang_up) {
    stream.pause();
    peer.reset();
    const TimePoint before = loop->clock().now();
    ASSERT_TRUE(loop->run_once(std::chrono::milliseconds(20)));
    EXPECT_GE(loop->clock().now() - before, std::chrono::milliseconds(20));
}

TEST_F(FrameStreamTest, slow_reader_congests_and_drains) {
    proto::ExecServerFrame big;
    big.mutable_output()->set_data(std::string(64 * 1024, 'x'));
    while (!stream.congested()) {
        stream.send(big);
    }
    std::vector<std::byte> sink(1 << 20);
    ASSERT_TRUE(sys::set_nonblocking(peer.get()));
    run_until(*loop, [&] {
        [[maybe_unused]] const auto got = sys::read_some(peer.get(), sink);
        return stream.flushed();
    });
    EXPECT_FALSE(stream.congested());
    EXPECT_EQ(recorder.drained, 1);
}

TEST_F(FrameStreamTest, last_message_of_a_closed_peer_is_read_although_writing_fails) {
    write(frame("refused"));
    peer.reset();
    proto::ExecServerFrame anything;
    stream.send(anything);
    run_until(*loop, [&] { return !recorder.lost.empty(); });
    EXPECT_EQ(recorder.frames, std::vector<std::string>{"refused"});
}

}  // namespace
}  // namespace anchorhold::exec::test
