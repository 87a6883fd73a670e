// All streams of one guest: ports to connections, whose turn it is, and what ends them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/vsock/backend.h"
#include "virtio/vsock/connection.h"
#include "virtio/vsock/packet.h"

namespace anchorhold::virtio {

struct VsockLimits {
    size_t connections = 1024;  // in any state
    size_t unanswered = 128;    // opened by the host, not yet answered by the guest
    size_t resets = 1024;       // resets waiting for receive buffers; more are dropped
    uint32_t connection_buffer = 128 * 1024;  // bytes per connection the guest may have in flight
};

struct VsockCounters {
    uint64_t open_streams = 0;    // now, established
    uint64_t streams_opened = 0;  // by both sides, since the start
    uint64_t bytes_to_guest = 0;  // payload
    uint64_t bytes_from_guest = 0;
    uint64_t resets_sent = 0;
    uint64_t packets_dropped = 0;  // of the guest, not worth an answer
};

// Under the DeviceLock and on the loop's thread, except drop_all(): that on any thread.
class Muxer {
  public:
    // `output_ready` is called when a host's socket gave something to send, on the loop's thread
    // with the lock held. After receive() and connect() the caller looks itself. References outlive
    // the muxer.
    Muxer(uint64_t guest_cid, VsockLimits limits, StreamBackend& backend, EventLoop& loop,
          DeviceLock& lock, std::function<void()> output_ready);
    ~Muxer();
    Muxer(const Muxer&) = delete;
    Muxer& operator=(const Muxer&) = delete;

    // A packet of the guest; `payload` covers what follows the header in the chain. Malformed ones
    // are reset or dropped.
    void receive(const PacketHeader& header, ChainCursor payload);
    Status connect(uint32_t guest_port, OwnFd stream);

    // What to send next, in turn. Resets go first.
    [[nodiscard]] bool has_output() const { return !resets_.empty() || !ready_.empty(); }
    // The connection whose turn it is, if payload is what it has to send; then end_turn() must
    // follow. Nothing when a control packet goes first, or when nothing is to be sent after all:
    // ask has_output() again.
    [[nodiscard]] Connection* data_turn();
    // The connection goes to the back of the round if it has more to send.
    void end_turn();
    // The control packet whose turn it is, complete. Only when has_output(), right after
    // data_turn() gave nothing.
    [[nodiscard]] PacketHeader take_control();
    // Addresses of a packet to the guest.
    void address(PacketHeader& header, StreamKey key) const;

    // Ends every connection; host-opened ones that the guest has not heard of stay. Resets are
    // forgotten.
    void drop_all();

    [[nodiscard]] VsockCounters counters() const;

    // True when the guest may know of a connection, or hear of one that is gone.
    [[nodiscard]] bool has_streams() const;
    // Where the search for a host's port begins; outside of the range it begins anew.
    [[nodiscard]] uint32_t next_host_port() const { return next_host_port_; }
    void set_next_host_port(uint32_t port);

  private:
    struct Entry;
    void open(const PacketHeader& header, StreamKey key);
    void settle(Entry& entry, Connection::Verdict verdict);
    void stream_event(uint64_t id, uint32_t events);
    Result<Entry*> add(StreamKey key, OwnFd stream, Connection::State state);
    void after_change(Entry& entry);
    void detach(Entry& entry);
    void release(uint64_t id);
    void dig_graves();
    void push_reset(StreamKey key, uint16_t type);
    bool make_room();
    [[nodiscard]] Entry* find(StreamKey key);
    [[nodiscard]] uint32_t free_host_port(uint32_t guest_port);

    struct Reset {
        StreamKey key;
        uint16_t type = kVsockStream;
    };

    uint64_t guest_cid_;
    VsockLimits limits_;
    StreamBackend& backend_;
    EventLoop& loop_;
    DeviceLock& lock_;
    std::function<void()> output_ready_;

    uint64_t next_id_ = 1;
    uint32_t next_host_port_;
    std::map<uint64_t, std::unique_ptr<Entry>> entries_;  // by id, so oldest first
    std::unordered_map<uint64_t, uint64_t>
        id_of_key_;               // both ports in one number -> id; not draining ones
    std::deque<uint64_t> ready_;  // ids with something for the guest, in turn
    std::deque<Reset> resets_;
    std::vector<std::unique_ptr<Entry>>
        graveyard_;           // off the books, but their sockets are still watched
    DeferredCall dig_;        // empties it on the loop's thread
    VsockCounters counters_;  // of what is over
};

}  // namespace anchorhold::virtio
