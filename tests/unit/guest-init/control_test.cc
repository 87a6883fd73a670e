// The control channel, with actions that only note that they were asked for.
#include "guest-init/control.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <x86intrin.h>

#include <thread>
#include <vector>

#include "base/sys.h"
#include "proto/frame.h"
#include "proto/guest_control.pb.h"

namespace anchorhold::guest_init {
namespace {

class ControlTest : public testing::Test {
  protected:
    void SetUp() override {
        ::signal(SIGPIPE, SIG_IGN);
        auto pair = sys::socket_pair(SOCK_STREAM).value();
        peer = std::move(pair.first);
        server.serve(std::move(pair.second));
    }
    void send(const proto::ControlRequest& request) {
        std::string bytes;
        proto::append_frame(bytes, request);
        ASSERT_TRUE(sys::write_all(peer.get(), bytes));
    }
    void turn() { ASSERT_TRUE(loop->run_once(std::chrono::milliseconds(500))); }
    proto::ControlAnswer answer() {
        std::byte chunk[256];
        proto::FrameReader reader(proto::kMaxControlFrame);
        const size_t count = sys::read_some(peer.get(), chunk).value().value();
        reader.feed(std::span(chunk, count));
        const auto frame = reader.next();
        EXPECT_TRUE(frame.has_value() && frame->has_value());
        return proto::parse<proto::ControlAnswer>(**frame, "answer").value();
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    Status prepared{};
    std::vector<proto::SetUp> set_ups;
    std::vector<proto::Resume> resumes;
    ControlServer::Actions::Done freezing;
    int prepares = 0;
    int resets = 0;
    OwnFd peer;
    ControlServer server{
        *loop,
        {.set_up =
             [this](const proto::SetUp& request) {
                 set_ups.push_back(request);
                 return prepared;
             },
         .freeze = [this](const proto::Freeze&,
                          ControlServer::Actions::Done done) { freezing = std::move(done); },
         .resume =
             [this](const proto::Resume& request) {
                 resumes.push_back(request);
                 return prepared;
             },
         .prepare_power_off =
             [this] {
                 ++prepares;
                 return prepared;
             },
         .reset = [this] { ++resets; }}};
};

TEST_F(ControlTest, power_off_is_answered_before_the_reset) {
    proto::ControlRequest request;
    request.mutable_power_off();
    send(request);
    turn();
    EXPECT_EQ(answer().error(), "");
    EXPECT_EQ(prepares, 1);
    EXPECT_EQ(resets, 0);
    peer.reset();
    turn();
    EXPECT_EQ(resets, 1);
}

TEST_F(ControlTest, host_that_does_not_close_gets_its_reset_too) {
    proto::ControlRequest request;
    request.mutable_power_off();
    send(request);
    turn();
    turn();
    EXPECT_EQ(resets, 1);
}

TEST_F(ControlTest, set_up_is_answered_and_the_stream_goes_on) {
    proto::ControlRequest request;
    // More than a socket takes at once, and more than other control frames may have.
    request.mutable_set_up()->set_ca_root_pem(std::string(proto::kMaxControlRequest - 64, 'c'));
    request.mutable_set_up()->add_environment("A=b");
    for (size_t round = 1; round <= 2; ++round) {
        std::thread sender([&] { send(request); });
        while (set_ups.size() < round) {
            turn();
        }
        sender.join();
        EXPECT_EQ(answer().error(), "");
        EXPECT_EQ(set_ups.back().environment(0), "A=b");
    }
    EXPECT_EQ(prepares, 0);
}

TEST_F(ControlTest, failure_is_told) {
    prepared = fail("disk is gone");
    proto::ControlRequest request;
    request.mutable_power_off();
    send(request);
    turn();
    EXPECT_EQ(answer().error(), "disk is gone");
}

TEST_F(ControlTest, freeze_is_answered_when_it_is_done_and_what_follows_waits) {
    proto::ControlRequest freeze;
    freeze.mutable_freeze()->set_drop_caches(true);
    proto::ControlRequest resume;
    resume.mutable_resume()->set_generation(7);
    send(freeze);
    send(resume);
    turn();
    ASSERT_TRUE(freezing);
    EXPECT_TRUE(resumes.empty());
    freezing({});
    EXPECT_EQ(answer().error(), "");
    turn();
    ASSERT_EQ(resumes.size(), 1U);
    EXPECT_EQ(answer().error(), "");
}

TEST_F(ControlTest, freeze_whose_asker_is_gone_is_answered_to_nobody) {
    proto::ControlRequest freeze;
    freeze.mutable_freeze();
    send(freeze);
    turn();
    ASSERT_TRUE(freezing);
    peer.reset();
    freezing(fail("too late"));
    turn();
}

TEST_F(ControlTest, answers_say_when_they_were_sent) {
    const uint64_t before = __rdtsc();
    proto::ControlRequest resume;
    resume.mutable_resume()->set_host_name("seven");
    send(resume);
    turn();
    const proto::ControlAnswer said = answer();
    EXPECT_GT(said.tsc(), before);
    EXPECT_LT(said.tsc(), __rdtsc());
    EXPECT_EQ(resumes.at(0).host_name(), "seven");
}

TEST_F(ControlTest, resume_that_fails_is_told_and_another_may_follow) {
    prepared = fail("resume: broken");
    proto::ControlRequest resume;
    resume.mutable_resume()->set_entropy(std::string(32, 'e'));
    for (int i = 0; i < 2; ++i) {
        send(resume);
        turn();
        EXPECT_EQ(answer().error(), "resume: broken");
    }
}

TEST_F(ControlTest, empty_request_ends_the_connection_and_nothing_else) {
    send(proto::ControlRequest());
    turn();
    std::byte chunk[1];
    EXPECT_EQ(sys::read_some(peer.get(), chunk).value(), size_t{0});
    EXPECT_EQ(prepares, 0);
    EXPECT_EQ(resets, 0);
}

}  // namespace
}  // namespace anchorhold::guest_init
