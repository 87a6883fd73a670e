// The multiplex as raw bytes: what each frame looks like, what is refused, credit, turns and
// forgetting.
#include "machine/mux.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anchorhold::machine {
namespace {

// Everything that happened, one word per event.
struct Recorder final : MuxEvents {
    void on_hello(const proto::MuxHello& hello) override {
        log.push_back("hello " + hello.build_id() + (hello.kvm_usable() ? " kvm" : ""));
    }
    void on_power_off() override { log.push_back("off"); }
    void on_open(ChannelId id) override { log.push_back("open " + std::to_string(id)); }
    void on_data(ChannelId id, std::string_view bytes) override {
        log.push_back("data " + std::to_string(id) + " " + std::to_string(bytes.size()));
    }
    void on_end(ChannelId id) override { log.push_back("end " + std::to_string(id)); }
    void on_reset(ChannelId id) override { log.push_back("reset " + std::to_string(id)); }
    void on_room(ChannelId) override {}

    std::vector<std::string> log;
};

// Bytes of a literal, zero bytes included.
template <size_t N>
std::string raw(const char (&text)[N]) {
    return std::string(text, N - 1);
}

Status feed(Mux& mux, std::string_view bytes) {
    return mux.feed(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

std::string output(Mux& mux, size_t limit = 1 << 30) {
    std::string out;
    mux.produce(out, limit);
    return out;
}

std::string data_frame(ChannelId id, size_t size) {
    proto::MuxFrame frame;
    frame.set_channel(id);
    frame.set_data(std::string(size, 'x'));
    std::string out;
    proto::append_frame(out, frame);
    return out;
}

const std::string kHello = raw("\x06\0\0\0\x3a\x04\x0a\x02id");
const std::string kOpen1 = raw("\x04\0\0\0\x08\x01\x12\0");
const std::string kData1 = raw("\x06\0\0\0\x08\x01\x1a\x02hi");
const std::string kEnd1 = raw("\x04\0\0\0\x08\x01\x2a\0");
const std::string kReset1 = raw("\x04\0\0\0\x08\x01\x32\0");
const std::string kPowerOff = raw("\x02\0\0\0\x42\0");

TEST(Mux, frames_produced_are_these_bytes) {
    Recorder events;
    Mux relay(MuxSide::kRelay, events);
    ASSERT_EQ(relay.open().value(), 1U);
    relay.send(1, "hi");
    relay.end(1);
    EXPECT_EQ(output(relay), kOpen1 + kData1 + kEnd1);
    relay.reset(1);
    relay.power_off();
    EXPECT_EQ(output(relay), kReset1 + kPowerOff);
    EXPECT_FALSE(relay.has_output());

    Mux agent(MuxSide::kAgent, events);
    agent.hello("id", false);
    EXPECT_EQ(output(agent), kHello);
}

TEST(Mux, agent_fed_byte_by_byte_sees_every_event) {
    Recorder events;
    Mux agent(MuxSide::kAgent, events);
    for (const char c : kOpen1 + kData1 + kEnd1 + kReset1 + kPowerOff) {
        ASSERT_TRUE(feed(agent, std::string_view(&c, 1)));
    }
    EXPECT_EQ(events.log,
              (std::vector<std::string>{"open 1", "data 1 2", "end 1", "reset 1", "off"}));
}

TEST(Mux, relay_sees_hello_then_data) {
    Recorder events;
    Mux relay(MuxSide::kRelay, events);
    ASSERT_TRUE(relay.open());
    ASSERT_TRUE(feed(relay, kHello + kData1 + kEnd1));
    EXPECT_EQ(events.log, (std::vector<std::string>{"hello id", "data 1 2", "end 1"}));
}

TEST(Mux, violations_are_errors) {
    struct Case {
        const char* name;
        MuxSide side;
        std::string bytes;
    };
    std::string over_window = kOpen1;
    for (size_t sent = 0; sent <= kMuxWindow; sent += kMaxMuxChunk) {
        over_window += data_frame(1, kMaxMuxChunk);
    }
    std::string many;
    for (ChannelId id = 1; id <= kMaxMuxChannels + 1; ++id) {
        proto::MuxFrame frame;
        frame.set_channel(id);
        frame.mutable_open();
        proto::append_frame(many, frame);
    }
    const Case cases[] = {
        {"announced size beyond the bound", MuxSide::kAgent, raw("\xff\xff\xff\x7f")},
        {"bytes that are no message", MuxSide::kAgent, raw("\x02\0\0\0\xff\xff")},
        {"empty frame", MuxSide::kAgent, raw("\0\0\0\0")},
        {"data on channel 0", MuxSide::kAgent, raw("\x03\0\0\0\x1a\x01x")},
        {"hello to the agent", MuxSide::kAgent, kHello},
        {"open of channel 0", MuxSide::kAgent, raw("\x02\0\0\0\x12\0")},
        {"open twice", MuxSide::kAgent, kOpen1 + kOpen1},
        {"open of too many", MuxSide::kAgent, many},
        {"empty data", MuxSide::kAgent, kOpen1 + raw("\x04\0\0\0\x08\x01\x1a\0")},
        {"data beyond a chunk", MuxSide::kAgent, kOpen1 + data_frame(1, kMaxMuxChunk + 1)},
        {"data beyond the window", MuxSide::kAgent, over_window},
        {"data after the end", MuxSide::kAgent, kOpen1 + kEnd1 + kData1},
        {"end twice", MuxSide::kAgent, kOpen1 + kEnd1 + kEnd1},
        {"credit beyond the window", MuxSide::kAgent,
         kOpen1 + raw("\x06\0\0\0\x08\x01\x22\x02\x08\x01")},
        {"frame without content", MuxSide::kAgent, kOpen1 + raw("\x02\0\0\0\x08\x01")},
        {"frame before the hello", MuxSide::kRelay, kData1},
        {"hello twice", MuxSide::kRelay, kHello + kHello},
        {"power off to the relay", MuxSide::kRelay, kHello + kPowerOff},
        {"open by the agent", MuxSide::kRelay, kHello + kOpen1},
    };
    for (const Case& test : cases) {
        Recorder events;
        Mux mux(test.side, events);
        EXPECT_FALSE(feed(mux, test.bytes)) << test.name;
    }
}

TEST(Mux, frames_of_a_forgotten_channel_are_dropped) {
    Recorder events;
    Mux agent(MuxSide::kAgent, events);
    ASSERT_TRUE(feed(agent, kOpen1));
    agent.reset(1);
    events.log.clear();
    EXPECT_TRUE(feed(agent, kData1 + kEnd1 + kReset1));
    EXPECT_TRUE(events.log.empty());
    EXPECT_EQ(agent.channel_count(), 0U);
}

TEST(Mux, channel_ended_by_both_is_forgotten) {
    Recorder events;
    Mux agent(MuxSide::kAgent, events);
    ASSERT_TRUE(feed(agent, kOpen1 + kEnd1));
    EXPECT_EQ(agent.channel_count(), 1U);
    agent.send(1, "hi");
    agent.end(1);
    EXPECT_EQ(output(agent), kData1 + kEnd1);
    EXPECT_EQ(agent.channel_count(), 0U);
}

// Sends `total` bytes on channel 1 as far as credit goes; returns the bytes of data that came out.
size_t push(Mux& mux, size_t total) {
    size_t sent = 0;
    size_t produced = 0;
    while (sent < total && mux.room(1) > 0) {
        const size_t piece = std::min(mux.room(1), total - sent);
        mux.send(1, std::string(piece, 'x'));
        sent += piece;
        const std::string out = output(mux);
        produced += out.size();
    }
    return produced;
}

TEST(Mux, sender_without_credit_stops_at_the_window_and_goes_on_with_credit) {
    Recorder events;
    Mux agent(MuxSide::kAgent, events);
    ASSERT_TRUE(feed(agent, kOpen1));
    const size_t produced = push(agent, 4 * kMuxWindow);
    EXPECT_GE(produced, kMuxWindow);
    EXPECT_LT(produced, kMuxWindow + 1024);
    EXPECT_EQ(agent.room(1), 0U);
    EXPECT_FALSE(agent.has_output());
    ASSERT_TRUE(feed(agent, raw("\x06\0\0\0\x08\x01\x22\x02\x08\x05")));
    EXPECT_EQ(output(agent), raw("\x09\0\0\0\x08\x01\x1a\x05xxxxx"));
    // The end waits for the bytes before it.
    agent.end(1);
    EXPECT_FALSE(agent.has_output());
}

TEST(Mux, receiver_credits_only_what_was_consumed) {
    Recorder events;
    Mux agent(MuxSide::kAgent, events);
    ASSERT_TRUE(feed(agent, kOpen1));
    for (size_t i = 0; i < kMuxWindow / kMaxMuxChunk; ++i) {
        ASSERT_TRUE(feed(agent, data_frame(1, kMaxMuxChunk)));
    }
    EXPECT_FALSE(agent.has_output());
    agent.consumed(1, kMuxWindow);
    EXPECT_EQ(output(agent), raw("\x08\0\0\0\x08\x01\x22\x04\x08\x80\x80\x10"));
    EXPECT_TRUE(feed(agent, data_frame(1, kMaxMuxChunk)));
}

TEST(Mux, channels_with_bytes_take_turns) {
    Recorder events;
    Mux relay(MuxSide::kRelay, events);
    ASSERT_TRUE(relay.open());
    ASSERT_TRUE(relay.open());
    [[maybe_unused]] const std::string opens = output(relay);
    relay.send(1, std::string(2 * kMaxMuxChunk, 'x'));
    relay.send(2, "hi");
    const std::string out = output(relay);
    const std::string small = raw("\x06\0\0\0\x08\x02\x1a\x02hi");
    EXPECT_EQ(out.find(small), data_frame(1, kMaxMuxChunk).size());
}

TEST(Mux, produce_stops_near_the_limit) {
    Recorder events;
    Mux relay(MuxSide::kRelay, events);
    ASSERT_TRUE(relay.open());
    relay.send(1, std::string(2 * kMaxMuxChunk, 'x'));
    EXPECT_LT(output(relay, 100).size(), kMaxMuxChunk + 100);
    EXPECT_TRUE(relay.has_output());
}

TEST(Mux, open_beyond_the_bound_is_an_error) {
    Recorder events;
    Mux relay(MuxSide::kRelay, events);
    for (size_t i = 0; i < kMaxMuxChannels; ++i) {
        ASSERT_TRUE(relay.open());
    }
    EXPECT_FALSE(relay.open());
}

}  // namespace
}  // namespace anchorhold::machine
