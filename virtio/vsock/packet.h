// vsock packets on the wire (virtio 1.2 §5.10.6).
#pragma once

#include <cstdint>

#include "base/endian.h"

namespace anchorhold::virtio {

constexpr uint64_t kVsockHostCid = 2;  // VMADDR_CID_HOST, §5.10.4

// §5.10.6 struct virtio_vsock_hdr.
struct PacketHeader {
    Le64 source_cid;
    Le64 destination_cid;
    Le32 source_port;
    Le32 destination_port;
    Le32 length;  // of the payload that follows
    Le16 type;
    Le16 operation;
    Le32 flags;
    Le32 buffer_size;      // buf_alloc, §5.10.6.3
    Le32 forwarded_count;  // fwd_cnt, §5.10.6.3
};
static_assert(sizeof(PacketHeader) == 44);

constexpr uint16_t kVsockStream = 1;  // VIRTIO_VSOCK_TYPE_STREAM

// §5.10.6 VIRTIO_VSOCK_OP_*.
enum class Operation : uint16_t {
    kInvalid = 0,
    kRequest = 1,
    kResponse = 2,
    kReset = 3,
    kShutdown = 4,
    kData = 5,  // RW
    kCreditUpdate = 6,
    kCreditRequest = 7,
};

// Flags of kShutdown, §5.10.6.5.
constexpr uint32_t kShutdownReceive = 1;  // the sender of the packet will receive no more
constexpr uint32_t kShutdownSend = 2;     // the sender of the packet will send no more
constexpr uint32_t kShutdownBoth = kShutdownReceive | kShutdownSend;

// The largest payload of one packet, both ways; what Linux uses.
constexpr uint32_t kMaxPacketPayload = 64 * 1024;

// §5.10.6.7 struct virtio_vsock_event.
struct VsockEvent {
    Le32 id;
};
static_assert(sizeof(VsockEvent) == 4);
constexpr uint32_t kEventTransportReset = 0;  // VIRTIO_VSOCK_EVENT_TRANSPORT_RESET

// Connections are told apart by both ports; the CIDs are fixed.
struct StreamKey {
    uint32_t host_port = 0;
    uint32_t guest_port = 0;

    friend bool operator==(const StreamKey&, const StreamKey&) = default;
};

}  // namespace anchorhold::virtio
