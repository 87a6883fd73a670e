// Joins a multiplex to descriptors on an event loop: the transport on one side, one stream per
// channel on the other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "machine/mux.h"

namespace anchorhold::machine {

// Copies bytes between channels and streams, half-close kept, in bounded memory: at most kMuxWindow
// a channel and direction. A stream whose peer has gone altogether resets its channel on the
// relay's side, so that a command whose client died is told; on the agent's side it ends the
// channel after its last byte.
class MuxBridge final : private MuxEvents {
  public:
    struct Handlers {
        std::function<void(const proto::MuxHello&)> hello = {};  // relay
        std::function<void()> power_off = {};                    // agent
        std::function<void(ChannelId)> opened =
            {};  // agent: call attach() or refuse() now or later
        // The transport ended or failed (the error has a code), or broke the protocol (it has
        // none): nothing moves any more. Destroy the bridge later, not in here.
        std::function<void(const Error&)> lost = {};
        std::function<void()> channel_closed = {};  // a stream was let go; see stream_count()
    };

    // `transport` is a nonblocking stream; `loop` outlives the bridge.
    MuxBridge(EventLoop& loop, OwnFd transport, MuxSide side, Handlers handlers);
    MuxBridge(const MuxBridge&) = delete;
    MuxBridge& operator=(const MuxBridge&) = delete;
    ~MuxBridge() override;

    // Begins to watch the transport. Call once.
    [[nodiscard]] Status start();

    // Relay: a channel for this stream.
    [[nodiscard]] Status open(OwnFd stream);
    // Agent: the stream that serves a channel which `opened` announced.
    [[nodiscard]] Status attach(ChannelId channel, OwnFd stream);
    // Agent: nothing serves this channel.
    void refuse(ChannelId channel);

    void hello(std::string_view build_id, bool kvm_usable);
    void power_off();

    [[nodiscard]] size_t stream_count() const { return streams_.size(); }

  private:
    struct Stream {
        OwnFd fd;
        std::string pending;         // from the channel, not yet written to fd
        size_t pending_start = 0;    // bytes of it that are written
        uint32_t watched = 0;        // epoll events asked for
        bool read_open = true;       // fd may still give bytes
        bool write_open = true;      // fd still takes bytes
        bool channel_ended = false;  // the other side sends no more
        bool hung_up =
            false;  // its peer has closed: reads never block, writes never succeed; not watched

        [[nodiscard]] size_t pending_size() const { return pending.size() - pending_start; }
    };

    void on_hello(const proto::MuxHello& hello) override;
    void on_power_off() override;
    void on_open(ChannelId channel) override;
    void on_data(ChannelId channel, std::string_view bytes) override;
    void on_end(ChannelId channel) override;
    void on_reset(ChannelId channel) override;
    void on_room(ChannelId channel) override;

    void transport_event(uint32_t events);
    void read_transport();
    void write_transport();
    void watch_transport();
    void lose(const Error& error);

    void flush();
    [[nodiscard]] Status add_stream(ChannelId channel, OwnFd stream);
    void stream_event(ChannelId channel, uint32_t events);
    void hang_up(ChannelId channel, Stream& stream);
    void read_stream(ChannelId channel, Stream& stream);
    void write_stream(ChannelId channel, Stream& stream);
    void stop_writing(ChannelId channel, Stream& stream);
    // Watches what is wanted now, or lets the stream go when both directions are over.
    void settle(ChannelId channel);
    void drop(ChannelId channel);

    EventLoop& loop_;
    OwnFd transport_;
    MuxSide side_;
    Handlers handlers_;
    Mux mux_;
    std::map<ChannelId, Stream> streams_;
    std::string output_;  // produced, not yet written to the transport
    size_t output_start_ = 0;
    uint32_t transport_watched_ = 0;
    std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace anchorhold::machine
