// The three queues: what the muxer has goes into receive buffers, transmit buffers go to the muxer,
// events to the driver.
#include "virtio/vsock/vsock_device.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "virtio/queue_service.h"

namespace anchorhold::virtio {
namespace {

// §5.10.2.
enum QueueIndex : size_t { kReceive = 0, kTransmit = 1, kEvent = 2 };
constexpr std::array<uint16_t, 3> kQueueSizes = {128, 128, 16};

// §5.10.4 struct virtio_vsock_config.
struct VsockConfig {
    Le64 guest_cid;
};
static_assert(sizeof(VsockConfig) == 8);

constexpr size_t kHeaderSize = sizeof(PacketHeader);

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

}  // namespace

VsockDevice::VsockDevice(uint64_t guest_cid, VsockLimits limits, StreamBackend& backend,
                         EventLoop& loop, DeviceLock& lock)
    : guest_cid_(guest_cid),
      muxer_(guest_cid, limits, backend, loop, lock, [this] { send_to_guest(); }),
      pump_(loop, lock, [this] {
          receive_from_guest();
          send_to_guest();
      }) {}

std::span<const uint16_t> VsockDevice::queue_sizes() const {
    return kQueueSizes;
}

void VsockDevice::read_config(uint64_t offset, std::span<std::byte> out) const {
    const VsockConfig config{guest_cid_};
    copy_config(bytes_of(config), offset, out);
}

void VsockDevice::write_config(uint64_t, std::span<const std::byte>) {}

void VsockDevice::activate(const Activation& activation) {
    activation_ = activation;
}

void VsockDevice::reset() {
    activation_ = {};
    reset_pending_ = false;
    receive_gated_ = false;
    muxer_.drop_all();
}

void VsockDevice::process_queue(size_t index) {
    if (index == kEvent) {
        serve_events();
    } else if (index == kTransmit) {
        receive_from_guest();
    }
    // Answers to what came in, and what waited for receive buffers.
    send_to_guest();
}

Status VsockDevice::connect(uint32_t guest_port, OwnFd stream) {
    const Status status = muxer_.connect(guest_port, std::move(stream));
    send_to_guest();
    return status;
}

void VsockDevice::receive_from_guest() {
    if (!serving() || !activation_.queues[kTransmit].active()) {
        return;
    }
    serve_queue(activation_, kTransmit, chain_, pump_, [this](const DescriptorChain& chain) {
        ChainCursor cursor(chain.readable);
        PacketHeader header;
        if (cursor.read(std::as_writable_bytes(std::span(&header, 1)))) {
            muxer_.receive(header, cursor);
        }
        // A packet too short for a header is dropped (§5.10.6): nobody to answer.
        activation_.queues[kTransmit].add_used(chain.head, 0);
    });
}

void VsockDevice::send_to_guest() {
    if (!serving() || receive_gated_ || reset_pending_ || !activation_.queues[kReceive].active()) {
        return;
    }
    Queue& queue = activation_.queues[kReceive];
    queue.disable_notifications();
    for (size_t turns = 0; muxer_.has_output(); ++turns) {
        if (turns == kChainsPerTurn) {
            pump_.schedule();
            break;
        }
        Connection* const connection = muxer_.data_turn();
        if (!muxer_.has_output()) {
            break;
        }
        const bool sent =
            connection != nullptr ? send_data(queue, *connection) : send_control(queue);
        // Out of buffers: the driver kicks when it has more, unless it just did.
        if (!sent && !queue.enable_notifications()) {
            break;
        }
    }
    if (queue.publish()) {
        activation_.interrupt->signal_used(kReceive);
    }
    if (queue.broken()) {
        activation_.interrupt->fail_device(queue.fault());
    }
}

bool VsockDevice::send_control(Queue& queue) {
    if (!queue.pop(chain_)) {
        return false;
    }
    if (chain_.writable_size < kHeaderSize) {
        queue.stop("a vsock receive buffer has no room for a header");
        return false;
    }
    const PacketHeader header = muxer_.take_control();
    ANCHORHOLD_CHECK(ChainCursor(chain_.writable).write(bytes_of(header)));
    queue.add_used(chain_.head, kHeaderSize);
    return true;
}

bool VsockDevice::send_data(Queue& queue, Connection& connection) {
    const size_t most = connection.burst();
    burst_.resize(std::max(burst_.size(), most));
    std::array<uint32_t, 64> room{};  // payload bytes offered per buffer
    vectors_.clear();
    uint32_t credit = connection.credit();
    size_t offered = 0;
    while (offered < std::min(most, room.size()) && credit > 0 && queue.pop(burst_[offered])) {
        if (burst_[offered].writable_size <= kHeaderSize) {
            queue.stop("a vsock receive buffer has no room for payload");
            return false;
        }
        ChainCursor cursor(burst_[offered].writable);
        ANCHORHOLD_CHECK(cursor.skip(kHeaderSize));
        room[offered] =
            static_cast<uint32_t>(cursor.gather(std::min(credit, kMaxPacketPayload), vectors_));
        if (room[offered] == 0) {
            queue.unpop(1);
            break;
        }
        credit -= room[offered];
        ++offered;
    }
    if (offered == 0) {
        return false;
    }
    size_t bytes = connection.read_stream(vectors_);
    size_t filled = 0;
    while (bytes > 0) {
        const auto length = static_cast<uint32_t>(std::min<size_t>(bytes, room[filled]));
        PacketHeader header;
        muxer_.address(header, connection.key());
        connection.fill_data(header, length);
        ANCHORHOLD_CHECK(ChainCursor(burst_[filled].writable).write(bytes_of(header)));
        queue.add_used(burst_[filled].head, static_cast<uint32_t>(kHeaderSize) + length);
        bytes -= length;
        ++filled;
    }
    queue.unpop(static_cast<uint16_t>(offered - filled));
    connection.filled_buffers(offered, filled);
    muxer_.end_turn();
    return true;
}

void VsockDevice::serve_events() {
    if (!serving() || !activation_.queues[kEvent].active()) {
        return;
    }
    Queue& queue = activation_.queues[kEvent];
    if (reset_pending_ && queue.pop(chain_)) {
        const VsockEvent event{kEventTransportReset};
        if (!ChainCursor(chain_.writable).write(bytes_of(event))) {
            queue.stop("a vsock event buffer has no room for an event");
            activation_.interrupt->fail_device(queue.fault());
            return;
        }
        reset_pending_ = false;
        // The driver ends its sockets before it gives the buffer back: a packet sent now would meet
        // a connection that it is about to forget.
        receive_gated_ = true;
        event_index_seen_ = queue.available_index();
        queue.add_used(chain_.head, sizeof event);
        if (queue.publish()) {
            activation_.interrupt->signal_used(kEvent);
        }
    }
    // The answer does not matter: a buffer that came in between is seen by its index.
    static_cast<void>(queue.enable_notifications());
    if (receive_gated_ && queue.available_index() != event_index_seen_) {
        receive_gated_ = false;
    }
    if (queue.broken()) {
        activation_.interrupt->fail_device(queue.fault());
    }
}

void VsockDevice::reset_all() {
    muxer_.drop_all();
    if (!serving()) {
        return;  // no driver: nobody has anything to forget
    }
    reset_pending_ = true;
    serve_events();
}

VsockState VsockDevice::save() const {
    VsockState state;
    state.had_streams = muxer_.has_streams();
    state.next_host_port = muxer_.next_host_port();
    state.reset_pending = reset_pending_;
    state.receive_gated = receive_gated_;
    state.event_index_seen = event_index_seen_;
    return state;
}

void VsockDevice::restore(const VsockState& state) {
    // A reset that is on its way covers what was open then, not what was opened since.
    reset_pending_ = state.reset_pending || (state.had_streams && serving());
    receive_gated_ = state.receive_gated && !reset_pending_;
    muxer_.set_next_host_port(state.next_host_port);
    event_index_seen_ = state.event_index_seen;
}

}  // namespace anchorhold::virtio
