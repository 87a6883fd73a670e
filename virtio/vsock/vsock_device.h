// The socket device (virtio 1.2 §5.10): three queues in front of a muxer of streams.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/event_loop.h"
#include "base/fd.h"
#include "base/result.h"
#include "virtio/deferred_call.h"
#include "virtio/device.h"
#include "virtio/queue.h"
#include "virtio/vsock/backend.h"
#include "virtio/vsock/muxer.h"

namespace anchorhold::virtio {

// What survives a snapshot. Connections do not (§5.10.6.7): the guest is told by an event.
struct VsockState {
    bool had_streams = false;       // connections were there that the guest has to be told of
    uint32_t next_host_port = 0;    // the host's ports below lately were in use
    bool reset_pending = false;     // the event is yet to be delivered
    bool receive_gated = false;     // delivered, the driver has not refilled the event queue
    uint16_t event_index_seen = 0;  // the event queue's available index when the gate closed
};

class VsockDevice final : public Device {
  public:
    // `guest_cid` is what the guest learns as its own (§5.10.4). References outlive the device.
    VsockDevice(uint64_t guest_cid, VsockLimits limits, StreamBackend& backend, EventLoop& loop,
                DeviceLock& lock);

    [[nodiscard]] DeviceType type() const override { return DeviceType::kVsock; }
    [[nodiscard]] uint64_t features() const override { return 0; }
    [[nodiscard]] std::span<const uint16_t> queue_sizes() const override;
    void read_config(uint64_t offset, std::span<std::byte> out) const override;
    void write_config(uint64_t offset, std::span<const std::byte> bytes) override;
    void activate(const Activation& activation) override;
    // Ends every connection; requests of the host that the guest has not seen stay queued for the
    // next driver.
    void reset() override;
    void process_queue(size_t index) override;

    // Opens a connection from the host to `guest_port`. Takes `stream`, a connected SOCK_STREAM
    // socket, and moves its bytes; its peer sees end of file when the guest refuses or resets.
    // Waits for a driver if there is none yet. An error when it is no stream socket or too many are
    // waiting. On the loop's thread, DeviceLock held.
    Status connect(uint32_t guest_port, OwnFd stream);

    // After a restore or a fork: ends every connection on the host's side and tells the guest, by
    // VIRTIO_VSOCK_EVENT_ TRANSPORT_RESET, that it has none (§5.10.6.7). Nothing is sent to the
    // guest until it has refilled the event queue.
    void reset_all();

    [[nodiscard]] VsockCounters counters() const { return muxer_.counters(); }

    [[nodiscard]] VsockState save() const;
    // After activation; the caller then processes every queue once. Streams that were are reported
    // to the guest as gone.
    void restore(const VsockState& state);

  private:
    void send_to_guest();
    bool send_control(Queue& queue);
    bool send_data(Queue& queue, Connection& connection);
    void receive_from_guest();
    void serve_events();
    [[nodiscard]] bool serving() const { return activation_.interrupt != nullptr; }

    uint64_t guest_cid_;
    Muxer muxer_;
    Activation activation_;
    DeferredCall pump_;  // both directions, in the next turn of the loop
    bool reset_pending_ = false;
    bool receive_gated_ = false;
    uint16_t event_index_seen_ = 0;
    DescriptorChain chain_;  // these are kept for their memory
    std::vector<DescriptorChain> burst_;
    std::vector<iovec> vectors_;
};

}  // namespace anchorhold::virtio
