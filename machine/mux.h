// The multiplex of proto/machine.proto without its transport: bytes in, bytes out, many channels,
// credit on each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proto/frame.h"
#include "proto/machine.pb.h"

namespace anchorhold::machine {

// How many bytes of one channel one side may have on the way before the other side has credited
// some.
constexpr size_t kMuxWindow = 256 * 1024;
// The most payload of one data frame, and the turn of one channel before the next one speaks.
constexpr size_t kMaxMuxChunk = 32 * 1024;
// The bound of one frame's message: a full chunk and its envelope.
constexpr size_t kMaxMuxFrame = kMaxMuxChunk + 64;
// Channels that one side may have open at once; an open beyond it ends the multiplex.
constexpr size_t kMaxMuxChannels = 256;
// The longest build id in a hello, in bytes.
constexpr size_t kMaxBuildId = 128;

using ChannelId = uint32_t;  // 0 is the multiplex itself

enum class MuxSide {
    kRelay,  // on the host: opens channels, powers off
    kAgent,  // in the machine: says hello, answers channels
};

// What arrives from the other side. Called from inside feed(); the multiplex may be called back
// except for feed().
class MuxEvents {
  public:
    virtual ~MuxEvents() = default;
    virtual void on_hello(const proto::MuxHello& hello) = 0;  // relay only, once
    virtual void on_power_off() = 0;                          // agent only
    virtual void on_open(ChannelId channel) = 0;              // agent only
    virtual void on_data(ChannelId channel, std::string_view bytes) = 0;
    virtual void on_end(ChannelId channel) = 0;  // the other side sends no more
    virtual void on_reset(
        ChannelId channel) = 0;  // the channel is gone; its id means nothing any more
    virtual void on_room(ChannelId channel) = 0;  // room() may have grown
};

// One side of the multiplex. Everything the other side sends is checked; a violation is an error of
// feed(), after which the transport is to be closed. Frames of channels that this side has
// forgotten are dropped: they crossed a reset.
class Mux {
  public:
    // `events` outlives the multiplex.
    Mux(MuxSide side, MuxEvents& events);

    // Bytes that arrived, in any pieces.
    [[nodiscard]] Status feed(std::span<const std::byte> bytes);

    // Appends what is to be sent to `out`, until about `limit` bytes stand there or nothing is
    // left. Control frames go first, then one chunk of each channel in turn.
    void produce(std::string& out, size_t limit);
    [[nodiscard]] bool has_output() const;

    // Relay: a new channel. Error when kMaxMuxChannels are open.
    [[nodiscard]] Result<ChannelId> open();
    // Relay: the machine shall end.
    void power_off();
    // Agent: ready to serve. Call once, first.
    void hello(std::string_view build_id, bool kvm_usable);

    // How many bytes send() takes now; 0 for a channel that is unknown or has ended.
    [[nodiscard]] size_t room(ChannelId channel) const;
    // Queues bytes, at most room().
    void send(ChannelId channel, std::string_view bytes);
    // No more bytes follow those already queued. No-op for an unknown channel.
    void end(ChannelId channel);
    // Drops the channel, what is queued on it too. No-op for an unknown channel.
    void reset(ChannelId channel);
    // `count` bytes of on_data() have left this process: the other side may send as many more.
    void consumed(ChannelId channel, size_t count);

    [[nodiscard]] size_t channel_count() const { return channels_.size(); }

  private:
    struct Channel {
        std::string queue;              // to be sent
        size_t queue_start = 0;         // bytes of it that are sent
        size_t credit = kMuxWindow;     // bytes the other side takes
        size_t allowance = kMuxWindow;  // bytes we still take
        size_t unacknowledged = 0;      // consumed, not yet credited
        bool end_wanted = false;
        bool end_sent = false;
        bool end_received = false;
        bool in_turn = false;  // stands in turns_

        [[nodiscard]] size_t queued() const { return queue.size() - queue_start; }
        [[nodiscard]] bool ready() const;  // has a frame that may be sent now
    };

    Status dispatch(const proto::MuxFrame& frame);
    Status dispatch_control(const proto::MuxFrame& frame);
    Status dispatch_open(ChannelId id);
    Status dispatch_channel(ChannelId id, const proto::MuxFrame& frame);
    void produce_turn(ChannelId id, Channel& channel, std::string& out);
    void mark_ready(ChannelId id, Channel& channel);
    void forget_if_finished(ChannelId id);

    MuxSide side_;
    MuxEvents& events_;
    proto::FrameReader reader_{kMaxMuxFrame};
    std::map<ChannelId, Channel> channels_;
    std::deque<ChannelId> turns_;  // channels that may have something to send, next first
    std::string control_;          // frames that go before any data
    ChannelId next_channel_ = 1;
    bool hello_seen_ = false;
};

}  // namespace anchorhold::machine
